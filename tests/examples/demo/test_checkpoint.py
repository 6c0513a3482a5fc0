"""The checkpoint that is in the repository: whole, small, what its card says, and still as good as that.

Floors lie below what was measured, since few are asked here; a broken model falls below any of them.
"""

import math
from pathlib import Path

import pytest
import torch

from examples.demo.card import CARD_NAME, card
from examples.demo.curriculum import TASK_TO_MAKER, held_out
from examples.demo.recipe import DEMO_CONFIG, DEMO_RECIPE
from examples.demo.rendering import ExampleRenderer
from examples.demo.scores import SCORES_NAME, Scores, read_scores, read_training
from examples.demo.scoring import score_folder
from model.hub.manifest import verify
from tests.model.runner import Runner, load_float32
from tests.model.test_oracle import load_oracle

FOLDER = Path(__file__).parents[3] / "examples" / "expertmesh-demo"
MAX_BYTES = 10_000_000
ASKED = 48


@pytest.fixture(scope="module")
def scores() -> Scores:
    return read_scores(FOLDER / SCORES_NAME)


def test_it_is_small_and_whole() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= MAX_BYTES
    manifest = verify(FOLDER)
    assert manifest.holds("model.safetensors")
    config, _ = load_float32(FOLDER)
    assert config == DEMO_CONFIG


def test_the_card_says_what_was_measured(scores: Scores) -> None:
    training = read_training(FOLDER / SCORES_NAME)
    assert (FOLDER / CARD_NAME).read_text(encoding="utf-8") == card(DEMO_RECIPE, training, scores)
    assert [score.task for score in scores.tasks] == [*TASK_TO_MAKER]


def test_it_does_what_the_card_says(scores: Scores) -> None:
    """Of so few, two standard deviations below the measured share are allowed, and one more wrong answer."""
    found = score_folder(FOLDER, ASKED)
    for score in found.tasks:
        share = scores.of(score.task).share
        floor = score.num_asked * share - 2 * math.sqrt(score.num_asked * share * (1 - share)) - 1
        assert floor > 0, f"{score.task}: {share} is too little for this test to notice a broken model"
        assert score.num_right >= floor, score
    low, medium, high = (each.reasoning_tokens for each in found.efforts)
    assert low < medium < high


def test_transformers_computes_the_same() -> None:
    """float32 through all layers in two orders of addition, on logits of size about 20."""
    config, weights = load_float32(FOLDER)
    renderer = ExampleRenderer.of_folder(FOLDER, config.vocab_size)
    oracle = load_oracle(FOLDER, torch.float32)
    for example in held_out(1, "tools", 2):
        rendered = renderer.render(example)
        token_ids = [*rendered.prompt, *rendered.reply]
        found = Runner(config, weights).run(token_ids, [len(token_ids)])
        with torch.inference_mode():
            expected = oracle(torch.tensor([token_ids])).logits[0]
        assert (found - expected).abs().max() < 1e-3
        assert expected.abs().max() > 5
