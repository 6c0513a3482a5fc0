"""Experts of some layers, to messages of expert.proto and back.

Torch-free, so that a controller begins anew at once. Called by the servicer and by the controller's end.
"""

from collections.abc import Iterable

from protos.gen.v1 import expert_pb2
from router.placement import LayerToExperts


def experts_to_message(layer_to_experts: LayerToExperts) -> list[expert_pb2.LayerExperts]:
    return [
        expert_pb2.LayerExperts(layer=layer, experts=experts)
        for layer, experts in sorted(layer_to_experts.items())
    ]


def experts_from_message(layers: Iterable[expert_pb2.LayerExperts]) -> LayerToExperts:
    return {layer.layer: tuple(layer.experts) for layer in layers if layer.experts}
