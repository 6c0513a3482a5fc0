"""The sampler through the GPU's kernel, interpreted: the tokens and log-probabilities that a CPU gives."""

import pytest
import torch

from kernels import device
from model.sampling.parameters import SamplingParameters
from model.sampling.sampler import Sampler, SamplerRow
from tests.model.sampling.test_sampler import KINDS, random_logits, step


def test_every_kind_of_row(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, rows = random_logits(23, 150), step(23)
    allowed = torch.rand(23, 150) < 0.8
    found = Sampler(150).sample(logits, rows, allowed)
    monkeypatch.setattr(device, "INTERPRETS", False)
    expected = Sampler(150).sample(logits, rows, allowed)
    assert found == expected
    assert len(set(found.token_ids)) > len(KINDS)


def test_a_greedy_row_needs_no_seed_and_a_negative_one_is_a_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = [SamplingParameters(temperature=0), SamplingParameters(seed=-(2**63))]
    rows = [SamplerRow(kinds[index % 2], 7 * index, choice=index) for index in range(8)]
    logits = random_logits(8, 90)
    found = Sampler(90).sample(logits, rows).token_ids
    monkeypatch.setattr(device, "INTERPRETS", False)
    assert found == Sampler(90).sample(logits, rows).token_ids
