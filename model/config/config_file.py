"""Reads config.json of either checkpoint layout into a `ModelConfig`.

A key is used, must hold the one value that we implement, or is known to say nothing about the forward
pass. Any other key is an error: a model that we half understand would answer wrongly without a word.
Writing one is `config_writer`'s. `model.checkpoint` calls this, and whoever plans from sizes alone.
"""

from pathlib import Path

from model.config import MAX_POSITIONS, LayerKind, ModelConfig, RopeConfig, alternating_layers
from model.config.config_fields import ConfigFields, Json
from model.strict_json import parse_object
from protos.errors import ConfigError

CONFIG_NAME = "config.json"

_HUGGING_FACE_FIXED: Json = {
    "model_type": "gpt_oss",
    "hidden_act": "silu",
    "swiglu_alpha": 1.702,
    "attention_bias": True,
    "attention_dropout": 0.0,
    "tie_word_embeddings": False,
}
_HUGGING_FACE_SILENT = frozenset(
    {
        "_attn_implementation_autoset", "_name_or_path", "architectures", "bos_token_id",
        "chunk_size_feed_forward", "dtype", "eos_token_id", "id2label", "initializer_range",
        "is_encoder_decoder", "label2id", "output_attentions", "output_hidden_states",
        "output_router_logits", "pad_token_id", "problem_type", "return_dict", "router_aux_loss_coef",
        "torch_dtype", "transformers_version", "unsloth_fixed", "unsloth_version", "use_cache",
    }
)  # fmt: skip


def load_config(folder: Path) -> ModelConfig:
    """The configuration of the checkpoint in `folder`, whichever layout it has."""
    path = folder / CONFIG_NAME
    try:
        document = parse_object(path.read_bytes())
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path} does not exist; a model folder holds config.json and *.safetensors"
        ) from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not valid JSON: {error}") from error
    return parse_config(document, str(path))


def parse_config(document: Json, source: str) -> ModelConfig:
    """`source` names the file in messages."""
    fields = ConfigFields(document)
    try:
        config = _parse_hugging_face(fields) if "model_type" in document else _parse_original(fields)
        fields.refuse_unread()
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error
    return config


def _parse_hugging_face(fields: ConfigFields) -> ModelConfig:
    for key, value in _HUGGING_FACE_FIXED.items():
        fields.allow(key, value)
    fields.discard(_HUGGING_FACE_SILENT)
    _require_mxfp4(fields)
    rope = _hugging_face_rope(fields)
    fields.allow("initial_context_length", rope.original_positions)
    experts_per_token = fields.take("num_experts_per_tok", int)
    fields.allow("experts_per_token", experts_per_token)
    num_layers = fields.take("num_hidden_layers", int)
    return ModelConfig(
        vocab_size=fields.take("vocab_size", int),
        hidden_size=fields.take("hidden_size", int),
        intermediate_size=fields.take("intermediate_size", int),
        head_dim=fields.take("head_dim", int),
        num_query_heads=fields.take("num_attention_heads", int),
        num_kv_heads=fields.take("num_key_value_heads", int),
        num_experts=fields.take("num_local_experts", int),
        experts_per_token=experts_per_token,
        layer_kinds=_layer_kinds(fields.take_list("layer_types"), num_layers),
        sliding_window=fields.take("sliding_window", int),
        max_positions=fields.take("max_position_embeddings", int),
        rms_norm_eps=fields.take("rms_norm_eps", float, 1e-5),
        swiglu_limit=fields.take("swiglu_limit", float, 7.0),
        rope=rope,
    )


def _require_mxfp4(fields: ConfigFields) -> None:
    if not fields.has("quantization_config"):
        raise ConfigError(
            "'quantization_config' is missing; ExpertMesh serves MXFP4 experts only, so quantise the "
            "fine-tune's experts to MXFP4 first"
        )
    quantization = fields.take_object("quantization_config")
    quantization.require("quant_method", "mxfp4")
    # Which modules stay dense is the layout's own business; dequantize is a wish to another program.
    quantization.discard(frozenset({"modules_to_not_convert", "dequantize"}))
    quantization.refuse_unread()


def _hugging_face_rope(fields: ConfigFields) -> RopeConfig:
    """Newer files hold rope_parameters with rope_theta in it, older ones rope_scaling and rope_theta."""
    if fields.has("rope_parameters"):
        rope = fields.take_object("rope_parameters")
        theta = rope.take("rope_theta", float)
        fields.allow("rope_theta", theta)
        fields.allow("rope_scaling", None)
    else:
        fields.allow("rope_parameters", None)
        rope = fields.take_object("rope_scaling")
        theta = fields.take("rope_theta", float)
    return _yarn(rope, theta)


def _yarn(rope: ConfigFields, theta: float) -> RopeConfig:
    rope.require("type" if rope.has("type") else "rope_type", "yarn")
    rope.allow("rope_type", "yarn")
    parsed = RopeConfig(
        theta=theta,
        factor=rope.take("factor", float),
        original_positions=rope.take("original_max_position_embeddings", int),
        beta_fast=rope.take("beta_fast", float),
        beta_slow=rope.take("beta_slow", float),
        truncate=rope.take("truncate", bool, True),
    )
    rope.refuse_unread()
    return parsed


def _layer_kinds(names: list[object] | None, num_layers: int) -> tuple[LayerKind, ...]:
    if names is None:
        return alternating_layers(num_layers)
    if len(names) != num_layers:
        raise ConfigError(f"'layer_types' names {len(names)} layers, but 'num_hidden_layers' is {num_layers}")
    known = {kind.value: kind for kind in LayerKind}
    for layer, name in enumerate(names):
        if str(name) not in known:
            raise ConfigError(f"'layer_types[{layer}]' is {name!r}, expected one of {sorted(known)}")
    return tuple(known[str(name)] for name in names)


def _parse_original(fields: ConfigFields) -> ModelConfig:
    original_positions = fields.take("initial_context_length", int)
    factor = fields.take("rope_scaling_factor", float)
    return ModelConfig(
        vocab_size=fields.take("vocab_size", int),
        hidden_size=fields.take("hidden_size", int),
        intermediate_size=fields.take("intermediate_size", int),
        head_dim=fields.take("head_dim", int),
        num_query_heads=fields.take("num_attention_heads", int),
        num_kv_heads=fields.take("num_key_value_heads", int),
        num_experts=fields.take("num_experts", int),
        experts_per_token=fields.take("experts_per_token", int),
        layer_kinds=alternating_layers(fields.take("num_hidden_layers", int)),
        sliding_window=fields.take("sliding_window", int),
        max_positions=int(min(original_positions * factor, MAX_POSITIONS + 1)),  # one more is refused
        swiglu_limit=fields.take("swiglu_limit", float, 7.0),
        rope=RopeConfig(
            theta=fields.take("rope_theta", float),
            factor=factor,
            original_positions=original_positions,
            beta_fast=fields.take("rope_ntk_beta", float),
            beta_slow=fields.take("rope_ntk_alpha", float),
        ),
    )
