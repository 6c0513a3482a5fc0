import json
from pathlib import Path

import pytest
import transformers

from model.config import GPT_OSS_20B, LayerKind, ModelConfig, RopeConfig
from model.config.config_fields import Json
from model.config.config_file import load_config, parse_config
from protos.errors import ConfigError

LAYERS = ["full_attention", "sliding_attention", "sliding_attention"]
ROPE = {
    "rope_type": "yarn",
    "factor": 16.0,
    "original_max_position_embeddings": 2048,
    "beta_fast": 30,
    "beta_slow": 2.0,
    "truncate": False,
}
HUGGING_FACE: Json = {
    "model_type": "gpt_oss",
    "vocab_size": 211,
    "hidden_size": 96,
    "intermediate_size": 160,
    "head_dim": 12,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "num_local_experts": 7,
    "num_experts_per_tok": 3,
    "num_hidden_layers": 3,
    "layer_types": LAYERS,
    "sliding_window": 5,
    "max_position_embeddings": 777,
    "rms_norm_eps": 1e-6,
    "swiglu_limit": 6.5,
    "quantization_config": {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]},
    "rope_theta": 9000,
    "rope_scaling": ROPE,
}
EXPECTED = ModelConfig(
    vocab_size=211,
    hidden_size=96,
    intermediate_size=160,
    head_dim=12,
    num_query_heads=6,
    num_kv_heads=2,
    num_experts=7,
    experts_per_token=3,
    layer_kinds=(LayerKind.FULL, LayerKind.SLIDING, LayerKind.SLIDING),
    sliding_window=5,
    max_positions=777,
    rms_norm_eps=1e-6,
    swiglu_limit=6.5,
    rope=RopeConfig(
        theta=9000.0, factor=16.0, original_positions=2048, beta_fast=30.0, beta_slow=2.0, truncate=False
    ),
)
ORIGINAL_20B: Json = {
    "num_hidden_layers": 24,
    "num_experts": 32,
    "experts_per_token": 4,
    "vocab_size": 201088,
    "hidden_size": 2880,
    "intermediate_size": 2880,
    "swiglu_limit": 7.0,
    "head_dim": 64,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "sliding_window": 128,
    "initial_context_length": 4096,
    "rope_theta": 150000,
    "rope_scaling_factor": 32.0,
    "rope_ntk_alpha": 1,
    "rope_ntk_beta": 32,
}


def parse(document: Json, without: str | None = None, /, **changes: object) -> ModelConfig:
    changed = dict(document) | changes
    if without is not None:
        del changed[without]
    return parse_config(changed, "somewhere/config.json")


def refusal(document: Json, without: str | None = None, /, **changes: object) -> str:
    """The message, which must name the file."""
    with pytest.raises(ConfigError, match=r"^somewhere/config\.json: ") as caught:
        parse(document, without, **changes)
    return str(caught.value)


def test_hugging_face_with_the_older_rope_keys() -> None:
    assert parse(HUGGING_FACE) == EXPECTED


def test_hugging_face_with_the_newer_rope_keys() -> None:
    newer = parse(HUGGING_FACE, "rope_theta", rope_scaling=None, rope_parameters=ROPE | {"rope_theta": 9000})
    assert newer == EXPECTED


def test_both_rope_keys_must_not_disagree() -> None:
    parameters = ROPE | {"rope_theta": 9000}
    assert parse(HUGGING_FACE, "rope_scaling", rope_parameters=parameters) == EXPECTED
    assert "'rope_scaling' is" in refusal(HUGGING_FACE, rope_parameters=parameters)
    message = refusal(HUGGING_FACE, "rope_scaling", rope_parameters=parameters, rope_theta=9001)
    assert "'rope_theta' is 9001" in message
    assert "9000.0" in message


def test_the_oldest_name_of_the_rope_type() -> None:
    oldest = {key: value for key, value in ROPE.items() if key != "rope_type"} | {"type": "yarn"}
    assert parse(HUGGING_FACE, rope_scaling=oldest) == EXPECTED
    assert parse(HUGGING_FACE, rope_scaling=oldest | {"rope_type": "yarn"}) == EXPECTED
    assert "'rope_scaling.rope_type' is 'linear'" in refusal(
        HUGGING_FACE, rope_scaling=oldest | {"rope_type": "linear"}
    )


def test_the_original_layout() -> None:
    assert parse(ORIGINAL_20B) == GPT_OSS_20B


def test_layers_without_layer_types_alternate() -> None:
    config = parse(HUGGING_FACE, "layer_types")
    assert config.layer_kinds == (LayerKind.SLIDING, LayerKind.FULL, LayerKind.SLIDING)


@pytest.mark.parametrize("key", [key for key in ORIGINAL_20B if key != "swiglu_limit"])
def test_a_missing_key_of_the_original_layout(key: str) -> None:
    assert f"'{key}' is missing" in refusal(ORIGINAL_20B, key)


@pytest.mark.parametrize(
    "key",
    [
        "vocab_size",
        "num_local_experts",
        "num_hidden_layers",
        "sliding_window",
        "rope_theta",
        "quantization_config",
    ],
)
def test_a_missing_key_of_hugging_face(key: str) -> None:
    assert f"'{key}' is missing" in refusal(HUGGING_FACE, key)


@pytest.mark.parametrize(
    "key", ["rope_type", "factor", "original_max_position_embeddings", "beta_fast", "beta_slow"]
)
def test_a_missing_key_of_the_rope(key: str) -> None:
    rope = {name: value for name, value in ROPE.items() if name != key}
    assert f"'rope_scaling.{key}' is missing" in refusal(HUGGING_FACE, rope_scaling=rope)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"vocab_size": "211"}, "'vocab_size' is '211', expected int"),
        ({"vocab_size": 211.0}, "'vocab_size' is 211.0, expected int"),
        ({"vocab_size": True}, "'vocab_size' is True, expected int"),
        ({"vocab_size": -211}, "vocab_size is -211; it must be above zero"),
        ({"rms_norm_eps": "1e-6"}, "'rms_norm_eps' is '1e-6', expected float"),
        ({"hidden_size": 100}, "hidden_size is 100, which is not a multiple of 32"),
        ({"layer_types": "full_attention"}, "'layer_types' is 'full_attention', expected a list"),
        ({"layer_types": LAYERS[:2]}, "'layer_types' names 2 layers, but 'num_hidden_layers' is 3"),
        ({"layer_types": [*LAYERS[:2], "chunked"]}, "'layer_types[2]' is 'chunked', expected one of"),
        ({"layer_types": [*LAYERS[:2], []]}, "'layer_types[2]' is [], expected one of"),
        ({"mystery": 1, "enigma": None}, "unknown 'enigma', 'mystery'"),
        ({"rope_scaling": None}, "'rope_scaling' is None, expected an object"),
        ({"rope_scaling": ROPE | {"rope_type": "linear"}}, "'rope_scaling.rope_type' is 'linear'"),
        ({"rope_scaling": ROPE | {"mscale": 2.0}}, "unknown 'rope_scaling.mscale'"),
        ({"rope_scaling": ROPE | {"truncate": 0}}, "'rope_scaling.truncate' is 0, expected bool"),
        ({"quantization_config": None}, "quantise the fine-tune's experts to MXFP4 first"),
        ({"quantization_config": {}}, "'quantization_config.quant_method' is missing"),
        ({"quantization_config": {"quant_method": "awq"}}, "'quantization_config.quant_method' is 'awq'"),
        (
            {"quantization_config": {"quant_method": "mxfp4", "bits": 3}},
            "unknown 'quantization_config.bits'",
        ),
        ({"model_type": "llama"}, "'model_type' is 'llama'; ExpertMesh implements only 'gpt_oss'"),
        ({"swiglu_alpha": 1.5}, "'swiglu_alpha' is 1.5; ExpertMesh implements only 1.702"),
        ({"tie_word_embeddings": True}, "'tie_word_embeddings' is True"),
        ({"attention_bias": False}, "'attention_bias' is False"),
        ({"experts_per_token": 4}, "'experts_per_token' is 4; ExpertMesh implements only 3"),
        (
            {"initial_context_length": 4096},
            "'initial_context_length' is 4096; ExpertMesh implements only 2048",
        ),
        ({"num_experts_per_tok": 8}, "experts_per_token is 8, but the model has only 7 experts"),
    ],
)
def test_what_we_cannot_obey_is_refused(changes: dict[str, object], expected: str) -> None:
    assert expected in refusal(HUGGING_FACE, **changes)


def test_keys_that_say_nothing_about_the_forward_pass_are_ignored() -> None:
    silent: dict[str, object] = {"transformers_version": "4.55.0", "eos_token_id": 2, "unsloth_fixed": True}
    assert parse(HUGGING_FACE, **silent, swiglu_alpha=1.702, experts_per_token=3) == EXPECTED


def test_rope_truncation_is_on_unless_the_file_says_otherwise() -> None:
    rope = {name: value for name, value in ROPE.items() if name != "truncate"}
    assert parse(HUGGING_FACE, rope_scaling=rope).rope.truncate


@pytest.mark.parametrize("whole", [True, False])
def test_what_transformers_writes_parses(tmp_path: Path, whole: bool) -> None:
    written = transformers.GptOssConfig(
        num_hidden_layers=24,
        num_local_experts=32,
        quantization_config={"quant_method": "mxfp4"},
    )
    written.to_json_file(str(tmp_path / "config.json"), use_diff=not whole)
    assert "swiglu_alpha" in json.loads((tmp_path / "config.json").read_text())
    assert load_config(tmp_path) == GPT_OSS_20B


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"{", "not valid JSON"), (b"[]", "list, expected an object"), (b'{"a": NaN}', "NaN")],
)
def test_a_file_that_is_no_object(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=reason) as caught:
        load_config(tmp_path)
    assert str(caught.value).startswith(str(path))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.json does not exist"):
        load_config(tmp_path)


def test_a_folder_in_the_file_s_place(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    with pytest.raises(ConfigError, match=r"config\.json cannot be read: Is a directory"):
        load_config(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("beta_slow", 0.0, "rope beta_slow is 0.0; it must be above zero"),
        ("beta_fast", 2.0, "rope beta_fast is 2.0; it must be above beta_slow, 2.0"),
        ("factor", -1.0, "rope factor is -1.0; it must be above zero"),
    ],
)
def test_rope_that_has_no_meaning(key: str, value: float, message: str) -> None:
    document = {**HUGGING_FACE, "rope_scaling": {**ROPE, key: value}}
    with pytest.raises(ConfigError, match=message):
        parse_config(document, "config.json")


def test_theta_must_be_above_one() -> None:
    with pytest.raises(ConfigError, match=r"rope theta is 1.0; it must be above one"):
        parse_config({**HUGGING_FACE, "rope_theta": 1}, "config.json")


def test_more_positions_than_float32_can_count() -> None:
    with pytest.raises(ConfigError, match="max_positions is 16777217; the most is 16777216"):
        parse_config({**HUGGING_FACE, "max_position_embeddings": (1 << 24) + 1}, "config.json")
