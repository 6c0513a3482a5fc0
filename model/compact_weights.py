"""A model's dense matrices as the kernels of a CPU read them: brought into that form once, where they lie.

Not here: the form (`kernels.compact`). `LocalModel.of` calls this when it is told to, and stages do.
"""

from dataclasses import replace

from kernels.cpu.compact_kernels import compact
from kernels.cpu.settings import CpuKernelSettings
from model.weights import AttentionLayerWeights, DenseMatrix, ModelWeights


def compact_weights(weights: ModelWeights, settings: CpuKernelSettings) -> ModelWeights:
    """Their memory is taken over: whoever still holds the weights holds nonsense.

    On a GPU, and where no kernels are that would read them, they stay as they are.
    """
    unembedding = weights.unembedding
    if unembedding is not None:
        unembedding = replace(unembedding, projection=compact(unembedding.projection, settings))
    attention = {layer: _layer(held, settings) for layer, held in weights.attention.items()}
    return replace(weights, attention=attention, unembedding=unembedding)


def _layer(weights: AttentionLayerWeights, settings: CpuKernelSettings) -> AttentionLayerWeights:
    def compacted(matrix: DenseMatrix) -> DenseMatrix:
        return replace(matrix, weight=compact(matrix.weight, settings))

    return replace(
        weights,
        qkv=compacted(weights.qkv),
        output=compacted(weights.output),
        gate=compacted(weights.gate),
    )
