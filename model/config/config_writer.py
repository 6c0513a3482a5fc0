"""Writes a `ModelConfig` as the config.json of either checkpoint layout, with the keys of the released files.

Not here: reading (`config_file`). Called by `model.checkpoint.writer`.
"""

import json
from pathlib import Path

from model.config import ModelConfig
from model.config.config_fields import Json
from model.config.config_file import CONFIG_NAME, parse_config
from protos.errors import ConfigError

_DENSE_MODULES = ("model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head")


def write_config(folder: Path, document: Json) -> None:
    text = json.dumps(document, indent=2, sort_keys=True)
    (folder / CONFIG_NAME).write_text(text + "\n", encoding="utf-8")


def hugging_face_document(config: ModelConfig, *, rope_parameters: bool = False) -> Json:
    """`rope_parameters` takes the newer of the two ways to say the rotary embedding."""
    rope: dict[str, object] = {
        "beta_fast": config.rope.beta_fast,
        "beta_slow": config.rope.beta_slow,
        "factor": config.rope.factor,
        "original_max_position_embeddings": config.rope.original_positions,
        "rope_type": "yarn",
        "truncate": config.rope.truncate,
    }
    theta = {"rope_theta": config.rope.theta}
    rotary = {"rope_parameters": rope | theta} if rope_parameters else {"rope_scaling": rope} | theta
    return _hugging_face_sizes(config) | rotary


def _hugging_face_sizes(config: ModelConfig) -> dict[str, object]:
    return {
        "architectures": ["GptOssForCausalLM"],
        "attention_bias": True,
        "attention_dropout": 0.0,
        "experts_per_token": config.experts_per_token,
        "head_dim": config.head_dim,
        "hidden_act": "silu",
        "hidden_size": config.hidden_size,
        "initial_context_length": config.rope.original_positions,
        "intermediate_size": config.intermediate_size,
        "layer_types": [kind.value for kind in config.layer_kinds],
        "max_position_embeddings": config.max_positions,
        "model_type": "gpt_oss",
        "num_attention_heads": config.num_query_heads,
        "num_experts_per_tok": config.experts_per_token,
        "num_hidden_layers": config.num_layers,
        "num_key_value_heads": config.num_kv_heads,
        "num_local_experts": config.num_experts,
        "quantization_config": {"modules_to_not_convert": list(_DENSE_MODULES), "quant_method": "mxfp4"},
        "rms_norm_eps": config.rms_norm_eps,
        "sliding_window": config.sliding_window,
        "swiglu_limit": config.swiglu_limit,
        "tie_word_embeddings": False,
        "vocab_size": config.vocab_size,
    }


def original_document(config: ModelConfig) -> Json:
    """The original layout has fewer keys, so not every configuration can be said in it."""
    document: Json = {
        "num_hidden_layers": config.num_layers,
        "num_experts": config.num_experts,
        "experts_per_token": config.experts_per_token,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "swiglu_limit": config.swiglu_limit,
        "head_dim": config.head_dim,
        "num_attention_heads": config.num_query_heads,
        "num_key_value_heads": config.num_kv_heads,
        "sliding_window": config.sliding_window,
        "initial_context_length": config.rope.original_positions,
        "rope_theta": config.rope.theta,
        "rope_scaling_factor": config.rope.factor,
        "rope_ntk_alpha": config.rope.beta_slow,
        "rope_ntk_beta": config.rope.beta_fast,
    }
    understood = parse_config(document, "the original layout's config.json")
    if understood != config:
        raise ConfigError(
            f"the original layout cannot say this configuration: it would be read back as {understood}, "
            f"and it is {config}. Write the Hugging Face layout instead"
        )
    return document
