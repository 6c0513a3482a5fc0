"""What the sampler refuses: it names the rows, and the others can go on."""

import math
import pickle
from dataclasses import replace

import pytest
import torch

from model.sampling.parameters import SamplingParameters
from model.sampling.sampler import Sampler
from protos.errors import BrokenLogitsError, GrpcCode, InvalidRequestError, NoTokenLeftError
from tests.model.sampling.test_sampler import INF, SEEDED, random_logits, sample_one, step


def test_a_mask_without_any_token_names_its_rows_and_the_others_can_go_on() -> None:
    logits, rows, sampler = random_logits(12, 23), step(12), Sampler(23)
    allowed = torch.ones(12, 23, dtype=torch.bool)
    allowed[3] = False
    logits[10, :5] = -INF
    allowed[10, 5:] = False
    with pytest.raises(NoTokenLeftError, match=r"mask of rows \[3, 10\] allows no token") as caught:
        sampler.sample(logits, rows, allowed)
    assert caught.value.rows == (3, 10)
    assert caught.value.grpc_code is GrpcCode.INVALID_ARGUMENT
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    healthy = [index for index in range(12) if index not in caught.value.rows]
    sampler.sample(logits[healthy], [rows[index] for index in healthy], allowed[healthy])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_broken_logits_never_give_a_token(dtype: torch.dtype) -> None:
    logits = random_logits(14, 23).to(dtype)
    logits[0, 22], logits[4, 0], logits[9], logits[13, 7] = math.nan, INF, -INF, -INF
    allowed = logits.isfinite()  # a mask over the damage does not hide it
    with pytest.raises(BrokenLogitsError, match=r"logits of rows \[0, 4, 9\] hold NaN or \+inf") as caught:
        Sampler(23).sample(logits, step(14), allowed)
    assert caught.value.rows == (0, 4, 9)
    assert caught.value.grpc_code is GrpcCode.INTERNAL
    with pytest.raises(BrokenLogitsError):
        Sampler(23).prompt_logprobs(logits, [0] * 14, 2)


def test_a_bias_outside_the_vocabulary_is_refused() -> None:
    with pytest.raises(
        InvalidRequestError, match="logit_bias names token 3; the vocabulary has the tokens 0 to 2"
    ):
        sample_one([0.0, 0.0, 0.0], SamplingParameters(temperature=0, logit_bias={3: 1.0}))


def test_a_row_that_draws_must_have_got_its_seed_at_admission() -> None:
    with pytest.raises(AssertionError, match="admission gives every request that draws a seed"):
        sample_one([0.0, 0.0], SamplingParameters())


def test_a_row_with_penalties_must_have_counts() -> None:
    with pytest.raises(AssertionError, match="penalties need token counts"):
        sample_one([0.0, 0.0], replace(SEEDED, presence_penalty=1))
