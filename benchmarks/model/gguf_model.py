"""A gpt-oss checkpoint as a GGUF file, with the names and types that llama.cpp's own converter gives it.

Experts stay in MXFP4, bit for bit, in GGUF's order of nibbles and with gate and up apart. Dense matrices stay
in bfloat16, the checkpoint's own precision; the gate, norms, biases and sinks are float32, as llama.cpp wants
them. No vocabulary: prompts are token ids.

llama.cpp takes three things for granted, so a model that has them otherwise is refused: every other layer
slides, the first among them; SwiGLU is clamped at 7; and YaRN's bounds are rounded, which released models do
not do (`truncate`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.model.gguf_file import GgufTensor, Metadata, TensorType, write_gguf_file
from benchmarks.report import BenchmarkError
from kernels.compact import stored
from kernels.mxfp4 import BLOCK_VALUES, PackedMatrix
from model.checkpoint import Checkpoint
from model.config import ModelConfig, alternating_layers
from model.weights import AttentionLayerWeights, DenseMatrix, ExpertMatrices, ExpertWeights, Selection

SWIGLU_LIMIT = 7.0


def write_gguf_model(folder: Path, file: Path) -> None:
    checkpoint = Checkpoint.open(folder)
    config = checkpoint.config
    _refuse_unlike(config)
    weights = checkpoint.load(Selection.whole(config))
    assert weights.embedding is not None
    assert weights.unembedding is not None
    tensors = [
        _dense("token_embd.weight", weights.embedding),
        _dense("output.weight", stored(weights.unembedding.projection)),
        _float32("output_norm.weight", weights.unembedding.norm),
    ]
    for layer in range(config.num_layers):
        tensors += _attention_tensors(f"blk.{layer}", config, weights.attention[layer])
        tensors += _expert_tensors(f"blk.{layer}", weights.experts[layer])
    write_gguf_file(file, _metadata(config), tensors)


def gguf_blocks(matrix: PackedMatrix) -> Tensor:
    """-> […, in / 32, 17]: a block's scale, then 16 bytes.

    Their low nibbles are the block's values 0 … 15, their high ones 16 … 31.
    """
    low, high = matrix.blocks & 0xF, matrix.blocks >> 4  # values 0, 2, … and 1, 3, …
    values = torch.stack((low, high), dim=-1).flatten(-2)  # […, in / 32, 32]
    first, second = torch.split(values, BLOCK_VALUES // 2, dim=-1)
    return torch.cat((matrix.scales[..., None], first | second << 4), dim=-1)


def _refuse_unlike(config: ModelConfig) -> None:
    wanted = {
        "layer_types": (config.layer_kinds, alternating_layers(config.num_layers)),
        "swiglu_limit": (config.swiglu_limit, SWIGLU_LIMIT),
        "rope truncate": (config.rope.truncate, True),
    }
    for name, (found, taken_for_granted) in wanted.items():
        if found != taken_for_granted:
            raise BenchmarkError(
                f"llama.cpp computes as if {name} were {taken_for_granted}, and the model has {found}; "
                f"compare with it on a model that has the former"
            )


def _metadata(config: ModelConfig) -> Metadata:
    rope = config.rope
    of_model: Metadata = {
        "vocab_size": config.vocab_size,
        "context_length": config.max_positions,
        "embedding_length": config.hidden_size,
        "block_count": config.num_layers,
        "feed_forward_length": config.intermediate_size,
        "expert_feed_forward_length": config.intermediate_size,
        "expert_count": config.num_experts,
        "expert_used_count": config.experts_per_token,
        "attention.head_count": config.num_query_heads,
        "attention.head_count_kv": config.num_kv_heads,
        "attention.key_length": config.head_dim,
        "attention.value_length": config.head_dim,
        "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "attention.sliding_window": config.sliding_window,
        "rope.freq_base": float(rope.theta),
        "rope.scaling.type": "yarn",
        "rope.scaling.factor": float(rope.factor),
        "rope.scaling.original_context_length": rope.original_positions,
        "rope.scaling.yarn_beta_fast": float(rope.beta_fast),
        "rope.scaling.yarn_beta_slow": float(rope.beta_slow),
    }
    return {
        "general.architecture": "gpt-oss",
        "tokenizer.ggml.model": "no_vocab",
        **{f"gpt-oss.{name}": value for name, value in of_model.items()},
    }


def _attention_tensors(
    prefix: str, config: ModelConfig, weights: AttentionLayerWeights
) -> Iterator[GgufTensor]:
    yield _float32(f"{prefix}.attn_norm.weight", weights.attention_norm)
    yield _float32(f"{prefix}.post_attention_norm.weight", weights.moe_norm)
    yield _float32(f"{prefix}.attn_sinks.weight", weights.sinks)
    kv_width = config.num_kv_heads * config.head_dim
    widths = [config.query_width, kv_width, kv_width]
    matrices = torch.split(stored(weights.qkv.weight), widths)
    biases = torch.split(weights.qkv.bias, widths)
    for letter, matrix, bias in zip("qkv", matrices, biases, strict=True):
        yield _dense(f"{prefix}.attn_{letter}.weight", matrix)
        yield _float32(f"{prefix}.attn_{letter}.bias", bias)
    yield _dense(f"{prefix}.attn_output.weight", stored(weights.output.weight))
    yield _float32(f"{prefix}.attn_output.bias", weights.output.bias)
    yield from _float32_matrix(f"{prefix}.ffn_gate_inp", weights.gate)


def _expert_tensors(prefix: str, weights: ExpertWeights) -> Iterator[GgufTensor]:
    for name, rows in (
        ("gate", _Rows(weights.gate_up, slice(0, None, 2))),
        ("up", _Rows(weights.gate_up, slice(1, None, 2))),
        ("down", _Rows(weights.down, slice(None))),
    ):
        yield rows.weight(f"{prefix}.ffn_{name}_exps.weight")
        yield _float32(f"{prefix}.ffn_{name}_exps.bias", rows.bias)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Some output rows of every expert."""

    matrices: ExpertMatrices
    rows: slice

    def weight(self, name: str) -> GgufTensor:
        packed = self.matrices.packed
        blocks, scales = packed.blocks[:, self.rows], packed.scales[:, self.rows]
        num_experts, num_outs, num_blocks = scales.shape
        shape = (num_experts, num_outs, num_blocks * BLOCK_VALUES)
        return GgufTensor(name, TensorType.MXFP4, shape, partial(gguf_blocks, PackedMatrix(blocks, scales)))

    @property
    def bias(self) -> Tensor:
        return self.matrices.bias[:, self.rows]


def _dense(name: str, tensor: Tensor) -> GgufTensor:
    return GgufTensor(name, TensorType.BFLOAT16, tuple(tensor.shape), partial(_as, tensor, torch.bfloat16))


def _float32(name: str, tensor: Tensor) -> GgufTensor:
    return GgufTensor(name, TensorType.FLOAT32, tuple(tensor.shape), partial(_as, tensor, torch.float32))


def _float32_matrix(prefix: str, matrix: DenseMatrix) -> Iterator[GgufTensor]:
    yield _float32(f"{prefix}.weight", stored(matrix.weight))
    yield _float32(f"{prefix}.bias", matrix.bias)


def _as(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to(dtype)
