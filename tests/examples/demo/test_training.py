from dataclasses import replace

import torch

from examples.demo.recipe import Recipe
from examples.demo.rendering import ExampleRenderer
from examples.demo.training import Progress, train
from tests.examples.demo.test_network import CONFIG

TINY = Recipe(
    replace(CONFIG, swiglu_limit=7.0), seed=4, num_steps=16, conversations_per_step=8, warm_up_steps=2
)


def losses(renderer: ExampleRenderer, recipe: Recipe) -> tuple[list[float], dict[str, torch.Tensor]]:
    told: list[Progress] = []
    network = train(recipe, renderer, told.append)
    assert [each.step for each in told] == list(range(1, recipe.num_steps + 1))
    assert told[-1].num_tokens > 1000
    return [each.loss for each in told], network.state_dict()


def test_a_few_steps_lower_the_loss_and_the_seed_decides(renderer: ExampleRenderer) -> None:
    first, weights = losses(renderer, TINY)
    assert first[0] > 6  # of 700 tokens, all alike: ln 700 = 6.55
    assert sum(first[-3:]) / 3 < first[0] - 1.5
    again, same = losses(renderer, TINY)
    assert first == again
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    other, _ = losses(renderer, replace(TINY, seed=5, num_steps=2))
    assert other != first[:2]


def test_rates_rise_and_fall() -> None:
    recipe = replace(TINY, num_steps=100, warm_up_steps=10, decay_share=0.5)
    rates = [recipe.rate(step) for step in range(100)]
    assert rates[0] == 0.1
    assert max(rates) == rates[30] == 1.0
    assert rates[30:] == sorted(rates[30:], reverse=True)
    assert 0 < rates[-1] < 0.05
