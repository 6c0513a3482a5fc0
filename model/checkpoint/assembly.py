"""Puts tensors from any source together into `ModelWeights`, and finds one in them again.

Not here: where tensors come from. `model.checkpoint` reads them and `model.dummy` invents them; both call
`assemble`. `writer` calls `find_weight`.
"""

from typing import Protocol

from torch import Tensor

from kernels.compact import Matrix, stored
from kernels.mxfp4 import PackedMatrix
from model.checkpoint.weight_names import Weight
from model.config import ModelConfig
from model.config.weight_shapes import EXPERT_WEIGHTS, WeightName
from model.weights import (
    AttentionLayerWeights,
    DenseMatrix,
    ExpertMatrices,
    ExpertWeights,
    ModelWeights,
    Selection,
    UnembeddingWeights,
)
from protos.errors import ConfigError


class TensorSource(Protocol):
    """Gives any tensor of a model. It may fill them later: nobody reads them before it says so."""

    def dense(self, weight: Weight) -> Tensor: ...

    def experts(self, weight: Weight, expert_ids: tuple[int, ...]) -> Tensor:
        """Row i of the tensor belongs to `expert_ids[i]`."""
        ...


def assemble(config: ModelConfig, selection: Selection, source: TensorSource) -> ModelWeights:
    _check_selection(config, selection)
    return ModelWeights(
        embedding=source.dense(Weight(WeightName.EMBEDDING, None)) if selection.embedding else None,
        attention={layer: _attention(source, layer) for layer in selection.attention_layers},
        experts={layer: _experts(source, layer, ids) for layer, ids in selection.layer_to_experts.items()},
        unembedding=_unembedding(source) if selection.unembedding else None,
    )


def _check_selection(config: ModelConfig, selection: Selection) -> None:
    """Refuse layers and experts that the model does not have, and any named twice."""
    _check_ids("attention layer", selection.attention_layers, config.num_layers)
    _check_ids("layer", tuple(selection.layer_to_experts), config.num_layers)
    for layer, expert_ids in selection.layer_to_experts.items():
        _check_ids(f"layer {layer} expert", expert_ids, config.num_experts)


def find_weight(weights: ModelWeights, weight: Weight) -> Tensor | None:
    """None where the slice lacks it. An expert weight has a row for each expert that the slice holds."""
    found: object = weights
    if weight.layer is not None:
        layers = weights.experts if weight.name in EXPERT_WEIGHTS else weights.attention
        found = layers.get(weight.layer)
    for attribute in weight.name.value.split("."):
        found = None if found is None else getattr(found, attribute)
    assert found is None or isinstance(found, Matrix)
    return None if found is None else stored(found)


def _check_ids(what: str, ids: tuple[int, ...], count: int) -> None:
    for number in ids:
        if not 0 <= number < count:
            raise ConfigError(f"{what} {number} was asked for; the model has {what}s 0 to {count - 1}")
    if len(set(ids)) != len(ids):
        raise ConfigError(f"{what}s {ids} were asked for, which names one of them twice")


def _attention(source: TensorSource, layer: int) -> AttentionLayerWeights:
    def dense(name: WeightName) -> Tensor:
        return source.dense(Weight(name, layer))

    return AttentionLayerWeights(
        attention_norm=dense(WeightName.ATTENTION_NORM),
        qkv=DenseMatrix(dense(WeightName.QKV_WEIGHT), dense(WeightName.QKV_BIAS)),
        output=DenseMatrix(dense(WeightName.OUTPUT_WEIGHT), dense(WeightName.OUTPUT_BIAS)),
        sinks=dense(WeightName.SINKS),
        moe_norm=dense(WeightName.MOE_NORM),
        gate=DenseMatrix(dense(WeightName.GATE_WEIGHT), dense(WeightName.GATE_BIAS)),
    )


def _experts(source: TensorSource, layer: int, expert_ids: tuple[int, ...]) -> ExpertWeights:
    def experts(name: WeightName) -> Tensor:
        return source.experts(Weight(name, layer), expert_ids)

    return ExpertWeights(
        expert_ids=expert_ids,
        gate_up=ExpertMatrices(
            packed=PackedMatrix(experts(WeightName.GATE_UP_BLOCKS), experts(WeightName.GATE_UP_SCALES)),
            bias=experts(WeightName.GATE_UP_BIAS),
        ),
        down=ExpertMatrices(
            packed=PackedMatrix(experts(WeightName.DOWN_BLOCKS), experts(WeightName.DOWN_SCALES)),
            bias=experts(WeightName.DOWN_BIAS),
        ),
    )


def _unembedding(source: TensorSource) -> UnembeddingWeights:
    return UnembeddingWeights(
        norm=source.dense(Weight(WeightName.FINAL_NORM, None)),
        projection=source.dense(Weight(WeightName.UNEMBEDDING, None)),
    )
