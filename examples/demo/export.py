"""A trained network as the weights that the product serves: bfloat16, and experts packed in MXFP4.

Not here: the file format (`model.checkpoint.writer`).
"""

from pathlib import Path

import torch
from torch import Tensor

from examples.demo.network import TrainedLayer, TrainedNetwork
from kernels.mxfp4 import quantize
from model.checkpoint.writer import write_checkpoint
from model.weights import (
    AttentionLayerWeights,
    DenseMatrix,
    ExpertMatrices,
    ExpertWeights,
    ModelWeights,
    UnembeddingWeights,
)


def export(network: TrainedNetwork, folder: Path) -> None:
    write_checkpoint(network.config, exported_weights(network), folder)


def exported_weights(network: TrainedNetwork) -> ModelWeights:
    num_experts = network.config.num_experts
    layers = network.trained_layers
    return ModelWeights(
        embedding=_dense(network.embedding),
        attention={index: _attention(layer) for index, layer in enumerate(layers)},
        experts={index: _experts(layer, num_experts) for index, layer in enumerate(layers)},
        unembedding=UnembeddingWeights(_dense(network.norm), _dense(network.unembedding)),
    )


def _attention(layer: TrainedLayer) -> AttentionLayerWeights:
    return AttentionLayerWeights(
        attention_norm=_dense(layer.attention_norm),
        qkv=DenseMatrix(_dense(layer.qkv), _dense(layer.qkv_bias)),
        output=DenseMatrix(_dense(layer.output), _dense(layer.output_bias)),
        sinks=_dense(layer.sinks),
        moe_norm=_dense(layer.moe_norm),
        gate=DenseMatrix(_dense(layer.gate), _dense(layer.gate_bias)),
    )


def _experts(layer: TrainedLayer, num_experts: int) -> ExpertWeights:
    gate_up = quantize(_interleaved(layer.gate_up.detach()))
    return ExpertWeights(
        tuple(range(num_experts)),
        gate_up=ExpertMatrices(gate_up, _dense(_interleaved(layer.gate_up_bias.detach()))),
        down=ExpertMatrices(quantize(layer.down.detach()), _dense(layer.down_bias)),
    )


def _interleaved(rows: Tensor) -> Tensor:
    """[experts, 2 * intermediate, …]: gate rows, then up rows -> gate row, up row, gate row, …"""
    gate, up = rows.chunk(2, dim=1)
    return torch.stack((gate, up), dim=2).flatten(1, 2)


def _dense(tensor: Tensor) -> Tensor:
    return tensor.detach().bfloat16().contiguous()
