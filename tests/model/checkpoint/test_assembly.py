import pytest
import torch
from torch import Tensor

from model.checkpoint.assembly import assemble, find_weight
from model.checkpoint.weight_names import Weight, every_weight
from model.config.weight_shapes import EXPERT_WEIGHTS
from model.weights import Selection
from protos.errors import ConfigError
from tests.model.tiny_model import SLICE, TINY


class NumberedSource:
    """Fills each weight with its own number, so that none can take another's place."""

    def __init__(self) -> None:
        self.weight_to_number = {weight: number for number, weight in enumerate(every_weight(TINY))}

    def dense(self, weight: Weight) -> Tensor:
        return torch.tensor(self.weight_to_number[weight])

    def experts(self, weight: Weight, expert_ids: tuple[int, ...]) -> Tensor:
        return torch.tensor([self.weight_to_number[weight], *expert_ids])


def test_every_weight_of_the_whole_is_found_where_it_was_put() -> None:
    source = NumberedSource()
    weights = assemble(TINY, Selection.whole(TINY), source)
    for weight, number in source.weight_to_number.items():
        found = find_weight(weights, weight)
        assert found is not None
        assert found.flatten()[0] == number, weight


def test_a_slice_asks_for_what_was_selected_only() -> None:
    source = NumberedSource()
    weights = assemble(TINY, SLICE, source)
    for weight in source.weight_to_number:
        found = find_weight(weights, weight)
        if weight.layer is None:
            expected = weight.name.value.startswith("unembedding")
        elif weight.name in EXPERT_WEIGHTS:
            expected = weight.layer in SLICE.layer_to_experts
            assert found is None or tuple(found[1:].tolist()) == SLICE.layer_to_experts[weight.layer]
        else:
            expected = weight.layer in SLICE.attention_layers
        assert (found is not None) == expected, weight


def test_nothing_selected_is_nothing() -> None:
    weights = assemble(TINY, Selection(), NumberedSource())
    assert (weights.embedding, weights.unembedding) == (None, None)
    assert (dict(weights.attention), dict(weights.experts)) == ({}, {})


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (
            Selection(attention_layers=(0, 5)),
            "attention layer 5 was asked for; the model has attention layers 0 to 4",
        ),
        (Selection(attention_layers=(-1,)), "attention layer -1 was asked for"),
        (Selection(attention_layers=(2, 2)), "names one of them twice"),
        (Selection(layer_to_experts={5: (0,)}), "layer 5 was asked for; the model has layers 0 to 4"),
        (
            Selection(layer_to_experts={1: (0, 7)}),
            "layer 1 expert 7 was asked for; the model has layer 1 experts 0 to 6",
        ),
        (Selection(layer_to_experts={1: (-1,)}), "layer 1 expert -1 was asked for"),
        (Selection(layer_to_experts={1: (4, 0, 4)}), "names one of them twice"),
    ],
)
def test_what_the_model_lacks_cannot_be_selected(selection: Selection, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        assemble(TINY, selection, NumberedSource())
