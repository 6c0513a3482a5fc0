"""The training loop: steps, rates, and what it tells on the way.

Not here: the data (`curriculum`), the network, files (`export`). `train` calls it; tests call it with tiny
recipes.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn

from examples.demo.batches import Batch, make_batch
from examples.demo.curriculum import examples
from examples.demo.muon import Muon
from examples.demo.network import TrainedLayer, TrainedNetwork
from examples.demo.recipe import Recipe
from examples.demo.rendering import ExampleRenderer, Rendered
from examples.demo.split import Split


@dataclass(frozen=True, slots=True)
class Progress:
    """After a step. `loss` is that of the tokens to learn alone, `largest_load` an expert's most, 1 if all
    are even."""

    step: int
    num_steps: int
    loss: float
    largest_load: float
    num_tokens: int  # so far, padding not counted
    elapsed_s: float

    @property
    def tokens_per_s(self) -> float:
        return self.num_tokens / self.elapsed_s

    @property
    def left_s(self) -> float:
        return self.elapsed_s / self.step * (self.num_steps - self.step)


def train(recipe: Recipe, renderer: ExampleRenderer, tell: Callable[[Progress], None]) -> TrainedNetwork:
    network = TrainedNetwork(recipe.config, recipe.seed)
    optimizers = _optimizers(network, recipe)
    base_rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    conversations = map(renderer.render, examples(recipe.seed, Split.TRAINING))
    start, num_tokens = time.monotonic(), 0
    for step in range(recipe.num_steps):
        batch = _next_batch(conversations, recipe)
        for optimizer, rates in zip(optimizers, base_rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * recipe.rate(step)
        loss, load = _learn(network, batch, recipe.balance)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        num_tokens += batch.num_real
        tell(Progress(step + 1, recipe.num_steps, loss, load, num_tokens, time.monotonic() - start))
    return network


def _next_batch(conversations: Iterator[Rendered], recipe: Recipe) -> Batch:
    return make_batch([*islice(conversations, recipe.conversations_per_step)], recipe.groups_per_step)


def _learn(network: TrainedNetwork, batch: Batch, balance: float) -> tuple[float, float]:
    """Leaves gradients -> the loss of the tokens, the largest load of an expert."""
    output = network(batch)
    loss: Tensor = nn.functional.cross_entropy(output.logits, batch.targets)
    (loss + balance * output.imbalance).backward()
    return loss.item(), output.loads.max().item() * output.loads.shape[1]


def _optimizers(network: TrainedNetwork, recipe: Recipe) -> tuple[torch.optim.Optimizer, ...]:
    matrices = [matrix for layer in network.trained_layers for matrix in _matrices(layer)]
    inside = {id(matrix) for matrix in matrices}
    others = [parameter for parameter in network.parameters() if id(parameter) not in inside]
    return (
        Muon(matrices, recipe.matrix_rate, recipe.momentum, recipe.weight_decay),
        torch.optim.AdamW(others, recipe.other_rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay),
    )


def _matrices(layer: TrainedLayer) -> tuple[nn.Parameter, ...]:
    return layer.qkv, layer.output, layer.gate_up, layer.down
