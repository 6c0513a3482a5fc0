"""A tiny model as a repository on the hub would hold it, for `HubServer`. All files differ in size."""

import json
import random

CONFIG: dict[str, object] = {
    "model_type": "gpt_oss",
    "vocab_size": 301,
    "hidden_size": 64,
    "intermediate_size": 96,
    "head_dim": 16,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "num_hidden_layers": 3,
    "num_local_experts": 5,
    "num_experts_per_tok": 2,
    "sliding_window": 7,
    "max_position_embeddings": 4096,
    "rope_theta": 150000.0,
    "rope_scaling": {
        "rope_type": "yarn", "factor": 32.0, "original_max_position_embeddings": 128,
        "beta_fast": 32.0, "beta_slow": 1.0, "truncate": False,
    },
    "quantization_config": {"quant_method": "mxfp4"},
}  # fmt: skip

ORIGINAL_CONFIG: dict[str, object] = {
    "vocab_size": 301, "hidden_size": 64, "intermediate_size": 96, "head_dim": 16,
    "num_attention_heads": 6, "num_key_value_heads": 2, "num_hidden_layers": 3, "num_experts": 5,
    "experts_per_token": 2, "sliding_window": 7, "initial_context_length": 128, "rope_theta": 150000.0,
    "rope_scaling_factor": 32.0, "rope_ntk_beta": 32.0, "rope_ntk_alpha": 1.0,
}  # fmt: skip

FIRST_SHARD = "model-00001-of-00002.safetensors"
SECOND_SHARD = "model-00002-of-00002.safetensors"
HUGGING_FACE_PATHS = frozenset(
    {
        "LICENSE", "chat_template.jinja", "config.json", "generation_config.json", FIRST_SHARD, SECOND_SHARD,
        "model.safetensors.index.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json",
    }
)  # fmt: skip
ORIGINAL_PATHS = frozenset(
    {
        "LICENSE", "chat_template.jinja", "generation_config.json", "special_tokens_map.json",
        "tokenizer.json", "tokenizer_config.json", "original/config.json", "original/model.safetensors",
    }
)  # fmt: skip


def repository_files() -> dict[str, bytes]:
    """Both layouts, the copy for Metal, and what a repository holds for readers."""
    return {
        ".gitattributes": b"*.safetensors filter=lfs\n",
        "README.md": b"# tiny\n",
        "USAGE_POLICY": b"be kind\n",
        "LICENSE": b"Apache-2.0\n",
        "chat_template.jinja": b"{{ messages }}\n",
        "config.json": json.dumps(CONFIG).encode(),
        "generation_config.json": b'{"eos_token_id": [200002]}',
        "special_tokens_map.json": b"{}",
        "tokenizer.json": _bytes(6_000, seed=1),  # large enough to be in LFS
        "tokenizer_config.json": b'{"a": 1}',
        "model.safetensors.index.json": b'{"weight_map": {}}',
        FIRST_SHARD: _bytes(200_000, seed=2),
        SECOND_SHARD: _bytes(150_000, seed=3),
        "original/config.json": json.dumps(ORIGINAL_CONFIG).encode(),
        "original/model.safetensors": _bytes(90_000, seed=4),
        "metal/model.bin": _bytes(80_000, seed=5),
    }


def _bytes(num_bytes: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(num_bytes)
