import pytest

from model.checkpoint.layouts import HUGGING_FACE, ORIGINAL, Layout, detect_layout
from model.checkpoint.weight_names import Weight, every_weight
from model.config import GPT_OSS_20B, GPT_OSS_120B, ModelConfig
from model.config.weight_shapes import WeightName
from tests.model.tiny_model import TINY

BOTH = pytest.mark.parametrize("layout", [HUGGING_FACE, ORIGINAL], ids=lambda layout: layout.title)


def described(layout: Layout, config: ModelConfig) -> dict[str, str]:
    return {part.spec.name: part.spec.description for part in layout.every_part(config)}


def test_hugging_face_names_and_shapes_of_a_released_layer() -> None:
    tensors = described(HUGGING_FACE, GPT_OSS_20B)
    prefix = "model.layers.23."
    assert {name.removeprefix(prefix): text for name, text in tensors.items() if name.startswith(prefix)} == {
        "input_layernorm.weight": "BF16 [2880]",
        "self_attn.q_proj.weight": "BF16 [4096, 2880]",
        "self_attn.k_proj.weight": "BF16 [512, 2880]",
        "self_attn.v_proj.weight": "BF16 [512, 2880]",
        "self_attn.q_proj.bias": "BF16 [4096]",
        "self_attn.k_proj.bias": "BF16 [512]",
        "self_attn.v_proj.bias": "BF16 [512]",
        "self_attn.o_proj.weight": "BF16 [2880, 4096]",
        "self_attn.o_proj.bias": "BF16 [2880]",
        "self_attn.sinks": "BF16 [64]",
        "post_attention_layernorm.weight": "BF16 [2880]",
        "mlp.router.weight": "BF16 [32, 2880]",
        "mlp.router.bias": "BF16 [32]",
        "mlp.experts.gate_up_proj_blocks": "U8 [32, 5760, 90, 16]",
        "mlp.experts.gate_up_proj_scales": "U8 [32, 5760, 90]",
        "mlp.experts.gate_up_proj_bias": "BF16 [32, 5760]",
        "mlp.experts.down_proj_blocks": "U8 [32, 2880, 90, 16]",
        "mlp.experts.down_proj_scales": "U8 [32, 2880, 90]",
        "mlp.experts.down_proj_bias": "BF16 [32, 2880]",
    }
    assert tensors["model.embed_tokens.weight"] == "BF16 [201088, 2880]"
    assert tensors["model.norm.weight"] == "BF16 [2880]"
    assert tensors["lm_head.weight"] == "BF16 [201088, 2880]"


def test_original_names_and_shapes_of_a_released_layer() -> None:
    tensors = described(ORIGINAL, GPT_OSS_20B)
    prefix = "block.23."
    assert {name.removeprefix(prefix): text for name, text in tensors.items() if name.startswith(prefix)} == {
        "attn.norm.scale": "BF16 [2880]",
        "attn.qkv.weight": "BF16 [5120, 2880]",
        "attn.qkv.bias": "BF16 [5120]",
        "attn.out.weight": "BF16 [2880, 4096]",
        "attn.out.bias": "BF16 [2880]",
        "attn.sinks": "BF16 [64]",
        "mlp.norm.scale": "BF16 [2880]",
        "mlp.gate.weight": "BF16 [32, 2880]",
        "mlp.gate.bias": "BF16 [32]",
        "mlp.mlp1_weight.blocks": "U8 [32, 5760, 90, 16]",
        "mlp.mlp1_weight.scales": "U8 [32, 5760, 90]",
        "mlp.mlp1_bias": "BF16 [32, 5760]",
        "mlp.mlp2_weight.blocks": "U8 [32, 2880, 90, 16]",
        "mlp.mlp2_weight.scales": "U8 [32, 2880, 90]",
        "mlp.mlp2_bias": "BF16 [32, 2880]",
    }
    assert tensors["embedding.weight"] == "BF16 [201088, 2880]"
    assert tensors["norm.scale"] == "BF16 [2880]"
    assert tensors["unembedding.weight"] == "BF16 [201088, 2880]"


@BOTH
@pytest.mark.parametrize(("config", "gibibytes"), [(GPT_OSS_20B, 12.82), (GPT_OSS_120B, 60.77)])
def test_the_released_checkpoints_have_their_published_size(
    layout: Layout, config: ModelConfig, gibibytes: float
) -> None:
    num_bytes = sum(part.spec.num_bytes for part in layout.every_part(config))
    assert round(num_bytes / 2**30, 2) == gibibytes


def test_queries_keys_and_values_follow_each_other() -> None:
    parts = HUGGING_FACE.parts(TINY, Weight(WeightName.QKV_WEIGHT, 2))
    assert [(part.spec.name.split(".")[4], part.first_row, part.spec.shape) for part in parts] == [
        ("q_proj", 0, (72, 96)),
        ("k_proj", 72, (24, 96)),
        ("v_proj", 96, (24, 96)),
    ]


@BOTH
def test_the_parts_of_a_weight_fill_it_exactly(layout: Layout) -> None:
    for weight in every_weight(TINY):
        num_rows, *row_shape = weight.shape(TINY)
        next_row = 0
        for part in layout.parts(TINY, weight):
            assert part.first_row == next_row
            assert list(part.spec.shape[1:]) == row_shape
            assert part.spec.dtype == weight.dtype
            next_row += part.spec.shape[0]
        assert next_row == num_rows, weight


@BOTH
def test_a_layout_is_known_by_its_names(layout: Layout) -> None:
    names = set(described(layout, TINY))
    assert detect_layout(TINY, names) == layout
    # A damaged folder still has a layout, so that what is wrong with it can be named.
    assert detect_layout(TINY, {*sorted(names)[7:], "norm.scale", "lm_head.weight", "stranger"}) == layout


def test_other_models_have_no_layout_of_ours() -> None:
    assert detect_layout(TINY, {"transformer.h.0.attn.weight", "block.0.attn.qkv"}) is None
    assert detect_layout(TINY, set()) is None
