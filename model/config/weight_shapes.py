"""The names of a model's tensors, and the shape and size of each: enough to plan with, without torch.

Not here: tensors, and what files call them. `model.checkpoint.weight_names` makes the list of a whole model
from these, `cluster.plan` adds up bytes.
"""

from enum import StrEnum
from math import prod

from model.config import MXFP4_BLOCK, ModelConfig


class WeightName(StrEnum):
    """The value is the attribute's path in `ModelWeights`, or in what that holds for one layer."""

    EMBEDDING = "embedding"
    FINAL_NORM = "unembedding.norm"
    UNEMBEDDING = "unembedding.projection"

    ATTENTION_NORM = "attention_norm"
    QKV_WEIGHT = "qkv.weight"
    QKV_BIAS = "qkv.bias"
    OUTPUT_WEIGHT = "output.weight"
    OUTPUT_BIAS = "output.bias"
    SINKS = "sinks"
    MOE_NORM = "moe_norm"
    GATE_WEIGHT = "gate.weight"
    GATE_BIAS = "gate.bias"

    GATE_UP_BLOCKS = "gate_up.packed.blocks"
    GATE_UP_SCALES = "gate_up.packed.scales"
    GATE_UP_BIAS = "gate_up.bias"
    DOWN_BLOCKS = "down.packed.blocks"
    DOWN_SCALES = "down.packed.scales"
    DOWN_BIAS = "down.bias"


END_WEIGHTS = (WeightName.EMBEDDING, WeightName.FINAL_NORM, WeightName.UNEMBEDDING)
EXPERT_WEIGHTS = (
    WeightName.GATE_UP_BLOCKS,
    WeightName.GATE_UP_SCALES,
    WeightName.GATE_UP_BIAS,
    WeightName.DOWN_BLOCKS,
    WeightName.DOWN_SCALES,
    WeightName.DOWN_BIAS,
)
ATTENTION_WEIGHTS = tuple(name for name in WeightName if name not in END_WEIGHTS + EXPERT_WEIGHTS)
SCALES = (WeightName.GATE_UP_SCALES, WeightName.DOWN_SCALES)
PACKED = (WeightName.GATE_UP_BLOCKS, WeightName.DOWN_BLOCKS, *SCALES)


def shape_of(config: ModelConfig, name: WeightName) -> tuple[int, ...]:
    """Of one layer's tensor; an expert weight means all the layer's experts together."""
    return _shapes(config)[name]


def bytes_of(config: ModelConfig, name: WeightName) -> int:
    """As the checkpoint has it: packed experts in bytes, all else in bfloat16."""
    return prod(shape_of(config, name)) * (1 if name in PACKED else 2)


def _shapes(config: ModelConfig) -> dict[WeightName, tuple[int, ...]]:
    experts, hidden, intermediate = config.num_experts, config.hidden_size, config.intermediate_size
    qkv_width = config.query_width + 2 * config.kv_width
    hidden_blocks, intermediate_blocks = hidden // MXFP4_BLOCK, intermediate // MXFP4_BLOCK
    block_bytes = MXFP4_BLOCK // 2
    return {
        WeightName.EMBEDDING: (config.vocab_size, hidden),
        WeightName.FINAL_NORM: (hidden,),
        WeightName.UNEMBEDDING: (config.vocab_size, hidden),
        WeightName.ATTENTION_NORM: (hidden,),
        WeightName.QKV_WEIGHT: (qkv_width, hidden),
        WeightName.QKV_BIAS: (qkv_width,),
        WeightName.OUTPUT_WEIGHT: (hidden, config.query_width),
        WeightName.OUTPUT_BIAS: (hidden,),
        WeightName.SINKS: (config.num_query_heads,),
        WeightName.MOE_NORM: (hidden,),
        WeightName.GATE_WEIGHT: (experts, hidden),
        WeightName.GATE_BIAS: (experts,),
        WeightName.GATE_UP_BLOCKS: (experts, 2 * intermediate, hidden_blocks, block_bytes),
        WeightName.GATE_UP_SCALES: (experts, 2 * intermediate, hidden_blocks),
        WeightName.GATE_UP_BIAS: (experts, 2 * intermediate),
        WeightName.DOWN_BLOCKS: (experts, hidden, intermediate_blocks, block_bytes),
        WeightName.DOWN_SCALES: (experts, hidden, intermediate_blocks),
        WeightName.DOWN_BIAS: (experts, hidden),
    }
