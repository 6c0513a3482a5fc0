"""Reads config.json of either checkpoint layout into a `ModelConfig`.

A key is used, must hold the one value that we implement, or is known to say nothing about the forward
pass. Any other key is an error: a model that we half understand would answer wrongly without a word.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from model.config import LayerKind, ModelConfig, RopeConfig, alternating_layers
from protos.errors import ConfigError

CONFIG_NAME = "config.json"

Json = Mapping[str, object]
T = TypeVar("T", int, float, bool, str)

_HUGGING_FACE_FIXED: Json = {
    "model_type": "gpt_oss",
    "hidden_act": "silu",
    "attention_bias": True,
    "attention_dropout": 0.0,
    "tie_word_embeddings": False,
}
_HUGGING_FACE_SILENT = frozenset(
    {
        "_name_or_path", "architectures", "bos_token_id", "chunk_size_feed_forward", "dtype",
        "eos_token_id", "experts_per_token", "id2label", "initial_context_length", "initializer_range",
        "is_encoder_decoder", "label2id", "output_attentions", "output_hidden_states",
        "output_router_logits", "pad_token_id", "problem_type", "return_dict", "router_aux_loss_coef",
        "swiglu_alpha", "torch_dtype", "transformers_version", "use_cache",
    }
)  # fmt: skip


def load_config(folder: Path) -> ModelConfig:
    """The configuration of the checkpoint in `folder`, whichever layout it has."""
    path = folder / CONFIG_NAME
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path} does not exist; a model folder holds config.json and *.safetensors"
        ) from error
    except ValueError as error:
        raise ConfigError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path} holds {type(document).__name__}, expected an object")
    return parse_config(document, str(path))


def parse_config(document: Json, source: str) -> ModelConfig:
    """`source` names the file in messages."""
    fields = _Fields(document, source)
    config = _parse_hugging_face(fields) if "model_type" in document else _parse_original(fields)
    fields.refuse_unread()
    return config


class _Fields:
    """An object of the file; remembers which keys were read, so that the rest can be refused."""

    def __init__(self, document: Json, source: str) -> None:
        self._unread = dict(document)
        self._source = source

    def has(self, key: str) -> bool:
        return self._unread.get(key) is not None

    def take(self, key: str, kind: type[T], default: T | None = None) -> T:
        value = self._unread.pop(key, None)
        if value is None:
            if default is None:
                raise ConfigError(f"{self._source}: {key!r} is missing")
            return default
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise ConfigError(f"{self._source}: {key!r} is {value!r}, expected {kind.__name__}")
        return value

    def take_object(self, key: str) -> "_Fields":
        value = self._unread.pop(key, None)
        if not isinstance(value, dict):
            raise ConfigError(f"{self._source}: {key!r} is {value!r}, expected an object")
        return _Fields(value, f"{self._source}: {key}")

    def take_list(self, key: str) -> list[object] | None:
        value = self._unread.pop(key, None)
        if value is not None and not isinstance(value, list):
            raise ConfigError(f"{self._source}: {key!r} is {value!r}, expected a list")
        return value

    def require(self, key: str, only_value: object) -> None:
        value = self._unread.pop(key, only_value)
        if value != only_value:
            raise ConfigError(
                f"{self._source}: {key!r} is {value!r}; ExpertMesh implements only {only_value!r}"
            )

    def discard(self, keys: frozenset[str]) -> None:
        for key in keys:
            self._unread.pop(key, None)

    def refuse_unread(self) -> None:
        if self._unread:
            names = ", ".join(repr(key) for key in sorted(self._unread))
            raise ConfigError(
                f"{self._source}: unknown {names}; a setting that ExpertMesh does not know "
                f"may change what the model computes, so it is refused"
            )


def _parse_hugging_face(fields: _Fields) -> ModelConfig:
    for key, value in _HUGGING_FACE_FIXED.items():
        fields.require(key, value)
    fields.discard(_HUGGING_FACE_SILENT)
    _require_mxfp4(fields)
    num_layers = fields.take("num_hidden_layers", int)
    return ModelConfig(
        vocab_size=fields.take("vocab_size", int),
        hidden_size=fields.take("hidden_size", int),
        intermediate_size=fields.take("intermediate_size", int),
        head_dim=fields.take("head_dim", int),
        num_query_heads=fields.take("num_attention_heads", int),
        num_kv_heads=fields.take("num_key_value_heads", int),
        num_experts=fields.take("num_local_experts", int),
        experts_per_token=fields.take("num_experts_per_tok", int),
        layer_kinds=_layer_kinds(fields.take_list("layer_types"), num_layers),
        sliding_window=fields.take("sliding_window", int),
        max_positions=fields.take("max_position_embeddings", int),
        rms_norm_eps=fields.take("rms_norm_eps", float, 1e-5),
        swiglu_limit=fields.take("swiglu_limit", float, 7.0),
        rope=_hugging_face_rope(fields),
    )


def _require_mxfp4(fields: _Fields) -> None:
    if not fields.has("quantization_config"):
        raise ConfigError(
            "config.json has no 'quantization_config'; ExpertMesh serves MXFP4 experts only, so quantise the "
            "fine-tune's experts to MXFP4 first"
        )
    quantization = fields.take_object("quantization_config")
    quantization.require("quant_method", "mxfp4")
    # Which modules stay dense is the layout's own business; dequantize is a wish to another program.
    quantization.discard(frozenset({"modules_to_not_convert", "dequantize"}))
    quantization.refuse_unread()


def _hugging_face_rope(fields: _Fields) -> RopeConfig:
    new_keys = fields.has("rope_parameters")
    rope = fields.take_object("rope_parameters" if new_keys else "rope_scaling")
    fields.discard(frozenset({"rope_parameters", "rope_scaling"}))
    rope.require("type" if rope.has("type") else "rope_type", "yarn")
    rope.discard(frozenset({"rope_type"}))
    parsed = RopeConfig(
        theta=(rope if new_keys else fields).take("rope_theta", float),
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
        raise ConfigError(f"layer_types names {len(names)} layers, but num_hidden_layers is {num_layers}")
    known = {kind.value: kind for kind in LayerKind}
    for layer, name in enumerate(names):
        if name not in known:
            raise ConfigError(f"layer_types[{layer}] is {name!r}, expected one of {sorted(known)}")
    return tuple(known[str(name)] for name in names)


def _parse_original(fields: _Fields) -> ModelConfig:
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
        max_positions=int(original_positions * factor),
        swiglu_limit=fields.take("swiglu_limit", float, 7.0),
        rope=RopeConfig(
            theta=fields.take("rope_theta", float),
            factor=factor,
            original_positions=original_positions,
            beta_fast=fields.take("rope_ntk_beta", float),
            beta_slow=fields.take("rope_ntk_alpha", float),
        ),
    )
