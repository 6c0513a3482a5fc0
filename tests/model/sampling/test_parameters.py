import subprocess
import sys
from collections.abc import Mapping

import pytest

from model.sampling.parameters import SamplingParameters
from protos.errors import InvalidRequestError

NAN = float("nan")
INF = float("inf")


def build(name: str, value: object) -> SamplingParameters:
    return SamplingParameters(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("temperature", -0.1, "temperature is -0.1; it must be from 0 to 2"),
        ("temperature", 2.01, "temperature is 2.01; it must be from 0 to 2"),
        ("temperature", NAN, "temperature is nan; it must be from 0 to 2"),
        ("top_k", 0, "top_k is 0; it must be at least 1, or left out"),
        ("top_p", 0.0, "top_p is 0.0; it must be above 0 and at most 1"),
        ("top_p", 1.5, "top_p is 1.5; it must be above 0 and at most 1"),
        ("top_p", NAN, "top_p is nan; it must be above 0 and at most 1"),
        ("min_p", -0.5, "min_p is -0.5; it must be from 0 to 1"),
        ("min_p", NAN, "min_p is nan; it must be from 0 to 1"),
        ("repetition_penalty", 0.0, "repetition_penalty is 0.0; it must be above 0 and finite"),
        ("repetition_penalty", INF, "repetition_penalty is inf; it must be above 0 and finite"),
        ("repetition_penalty", NAN, "repetition_penalty is nan; it must be above 0 and finite"),
        ("presence_penalty", 2.5, "presence_penalty is 2.5; it must be from -2 to 2"),
        ("frequency_penalty", -3.0, "frequency_penalty is -3.0; it must be from -2 to 2"),
        ("frequency_penalty", NAN, "frequency_penalty is nan; it must be from -2 to 2"),
        ("logit_bias", {3: 1.0, 17: 100.5}, r"logit_bias\[17\] is 100.5; it must be from -100 to 100"),
        ("logit_bias", dict.fromkeys(range(1025), 1.0), "logit_bias names 1025 tokens; at most 1024"),
        ("logit_bias", {17: NAN}, r"logit_bias\[17\] is nan; it must be from -100 to 100"),
        ("seed", 2**63, "seed is 9223372036854775808; it must be from -9223372036854775808 to"),
        ("logprobs", 21, "logprobs is 21; it must be from 0 to 20, or left out"),
        ("prompt_logprobs", -1, "prompt_logprobs is -1; it must be from 0 to 20, or left out"),
    ],
)
def test_refuses_what_no_sampler_could_do(name: str, value: object, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        build(name, value)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("temperature", (0, 0.0, 2.0)),
        ("top_k", (1, 10**30)),
        ("top_p", (5e-324, 1.0)),
        ("min_p", (0.0, 1.0)),
        ("repetition_penalty", (5e-324, 1e308)),
        ("presence_penalty", (-2.0, 2.0)),
        ("frequency_penalty", (-2.0, 2.0)),
        ("logit_bias", ({}, {0: -100.0, 5: 100.0})),
        ("seed", (-(2**63), 0, 2**63 - 1)),
        ("logprobs", (0, 20)),
        ("prompt_logprobs", (0, 20)),
    ],
)
def test_the_limits_themselves_are_allowed(name: str, values: tuple[object, ...]) -> None:
    assert [getattr(build(name, value), name) for value in values] == list(values)


def test_defaults_change_nothing() -> None:
    untouched = SamplingParameters()
    assert untouched.temperature == 1
    assert untouched.min_p == 0
    assert not untouched.has_penalties
    assert not untouched.has_top_filter
    assert not untouched.logit_bias


@pytest.mark.parametrize("name", ["repetition_penalty", "presence_penalty", "frequency_penalty"])
def test_each_penalty_alone_needs_counts(name: str) -> None:
    assert build(name, 1.5).has_penalties


@pytest.mark.parametrize(("name", "value"), [("top_k", 5), ("top_p", 0.999)])
def test_each_top_filter_alone_has_to_rank(name: str, value: object) -> None:
    assert build(name, value).has_top_filter


@pytest.mark.parametrize("logit_bias", [{11: 1.0}, {3: 1.0, -1: 2.0}])
def test_a_biased_token_must_be_in_the_vocabulary(logit_bias: Mapping[int, float]) -> None:
    parameters = SamplingParameters(logit_bias=logit_bias)
    with pytest.raises(InvalidRequestError, match=r"token (11|-1); the vocabulary has the tokens 0 to 10"):
        parameters.check_vocabulary(11)
    SamplingParameters(logit_bias={0: 1.0, 10: 1.0}).check_vocabulary(11)


def test_entropy_is_the_seed_only_of_a_request_without_one() -> None:
    assert SamplingParameters(top_k=7).with_seed(99) == SamplingParameters(top_k=7, seed=99)
    assert SamplingParameters(seed=0).with_seed(99).seed == 0


def test_a_process_without_torch_can_use_these() -> None:
    imports = "import sys, model.sampling.parameters, model.sampling.sampled_tokens"
    code = f"{imports}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
