"""The two checkpoint layouts as data: which tensors of the files make up each of our weights.

Hugging Face keeps q, k and v apart; the `original/` folder of a release has them fused, as we do. Not here:
files and bytes. `model.checkpoint` reads by this table and `writer` writes by it.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from model.checkpoint.safetensors_header import TensorSpec
from model.checkpoint.weight_names import Weight, every_weight
from model.config import ModelConfig
from model.config.weight_shapes import WeightName


@dataclass(frozen=True, slots=True)
class TensorPart:
    """One tensor of a file, and where its rows go in our weight."""

    spec: TensorSpec
    first_row: int


@dataclass(frozen=True, slots=True)
class Layout:
    """What the files call each weight, first row first; `{layer}` stands for the layer's number."""

    title: str
    file_stem: str  # of a file that is one of several
    names: Mapping[WeightName, tuple[str, ...]]

    def parts(self, config: ModelConfig, weight: Weight) -> tuple[TensorPart, ...]:
        """One part, or three: queries, keys and values."""
        names = self.names[weight.name]
        shape = weight.shape(config)
        row_counts = (config.query_width, config.kv_width, config.kv_width) if len(names) > 1 else shape[:1]
        first_rows = [sum(row_counts[:part]) for part in range(len(names))]
        return tuple(
            TensorPart(
                TensorSpec(name.format(layer=weight.layer), weight.dtype, (num_rows, *shape[1:])), first_row
            )
            for name, num_rows, first_row in zip(names, row_counts, first_rows, strict=True)
        )

    def every_part(self, config: ModelConfig) -> Iterator[TensorPart]:
        for weight in every_weight(config):
            yield from self.parts(config, weight)


def detect_layout(config: ModelConfig, names: Collection[str]) -> Layout | None:
    """The layout that knows the most of these tensor names; None where neither knows any."""
    num_known = {
        layout.title: sum(part.spec.name in names for part in layout.every_part(config))
        for layout in (HUGGING_FACE, ORIGINAL)
    }
    if not any(num_known.values()):
        return None
    return max((HUGGING_FACE, ORIGINAL), key=lambda layout: num_known[layout.title])


HUGGING_FACE = Layout(
    title="Hugging Face",
    file_stem="model-",
    names={
        WeightName.EMBEDDING: ("model.embed_tokens.weight",),
        WeightName.FINAL_NORM: ("model.norm.weight",),
        WeightName.UNEMBEDDING: ("lm_head.weight",),
        WeightName.ATTENTION_NORM: ("model.layers.{layer}.input_layernorm.weight",),
        WeightName.QKV_WEIGHT: (
            "model.layers.{layer}.self_attn.q_proj.weight",
            "model.layers.{layer}.self_attn.k_proj.weight",
            "model.layers.{layer}.self_attn.v_proj.weight",
        ),
        WeightName.QKV_BIAS: (
            "model.layers.{layer}.self_attn.q_proj.bias",
            "model.layers.{layer}.self_attn.k_proj.bias",
            "model.layers.{layer}.self_attn.v_proj.bias",
        ),
        WeightName.OUTPUT_WEIGHT: ("model.layers.{layer}.self_attn.o_proj.weight",),
        WeightName.OUTPUT_BIAS: ("model.layers.{layer}.self_attn.o_proj.bias",),
        WeightName.SINKS: ("model.layers.{layer}.self_attn.sinks",),
        WeightName.MOE_NORM: ("model.layers.{layer}.post_attention_layernorm.weight",),
        WeightName.GATE_WEIGHT: ("model.layers.{layer}.mlp.router.weight",),
        WeightName.GATE_BIAS: ("model.layers.{layer}.mlp.router.bias",),
        WeightName.GATE_UP_BLOCKS: ("model.layers.{layer}.mlp.experts.gate_up_proj_blocks",),
        WeightName.GATE_UP_SCALES: ("model.layers.{layer}.mlp.experts.gate_up_proj_scales",),
        WeightName.GATE_UP_BIAS: ("model.layers.{layer}.mlp.experts.gate_up_proj_bias",),
        WeightName.DOWN_BLOCKS: ("model.layers.{layer}.mlp.experts.down_proj_blocks",),
        WeightName.DOWN_SCALES: ("model.layers.{layer}.mlp.experts.down_proj_scales",),
        WeightName.DOWN_BIAS: ("model.layers.{layer}.mlp.experts.down_proj_bias",),
    },
)

ORIGINAL = Layout(
    title="original",
    file_stem="model--",
    names={
        WeightName.EMBEDDING: ("embedding.weight",),
        WeightName.FINAL_NORM: ("norm.scale",),
        WeightName.UNEMBEDDING: ("unembedding.weight",),
        WeightName.ATTENTION_NORM: ("block.{layer}.attn.norm.scale",),
        WeightName.QKV_WEIGHT: ("block.{layer}.attn.qkv.weight",),
        WeightName.QKV_BIAS: ("block.{layer}.attn.qkv.bias",),
        WeightName.OUTPUT_WEIGHT: ("block.{layer}.attn.out.weight",),
        WeightName.OUTPUT_BIAS: ("block.{layer}.attn.out.bias",),
        WeightName.SINKS: ("block.{layer}.attn.sinks",),
        WeightName.MOE_NORM: ("block.{layer}.mlp.norm.scale",),
        WeightName.GATE_WEIGHT: ("block.{layer}.mlp.gate.weight",),
        WeightName.GATE_BIAS: ("block.{layer}.mlp.gate.bias",),
        WeightName.GATE_UP_BLOCKS: ("block.{layer}.mlp.mlp1_weight.blocks",),
        WeightName.GATE_UP_SCALES: ("block.{layer}.mlp.mlp1_weight.scales",),
        WeightName.GATE_UP_BIAS: ("block.{layer}.mlp.mlp1_bias",),
        WeightName.DOWN_BLOCKS: ("block.{layer}.mlp.mlp2_weight.blocks",),
        WeightName.DOWN_SCALES: ("block.{layer}.mlp.mlp2_weight.scales",),
        WeightName.DOWN_BIAS: ("block.{layer}.mlp.mlp2_bias",),
    },
)
