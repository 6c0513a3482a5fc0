"""A few hundred random calls. `python -m tests.gateway.fuzz_grpc` throws as many as one likes."""

import random

import pytest

from gateway.grpc_face.inference_service import SERVICE
from model.tokenizer.tokenizer import Tokenizer
from tests.gateway.engine_link.hearing import nothing_is_left
from tests.gateway.fuzz_grpc import CALLS, SETTINGS, fuzz
from tests.gateway.grpc_face.served import serving
from tests.gateway.scripted_link import ScriptedLink
from workers.engine.request import GenerationRequest

MARKS = ("<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|call|>", "<|return|>", "<|constrain|>")


def gibberish(request: GenerationRequest, choice: int) -> str:
    """What no sound model would write."""
    draw = random.Random(f"{request.request_id} {choice}")
    words = (*MARKS, "analysis", "final", "commentary to=functions.weather", "é", '{"a":')
    return "".join(draw.choices(words, k=draw.randrange(1, 60)))


@pytest.mark.parametrize("seed", [1, 2])
async def test_random_calls_have_answers_and_leave_nothing(tokenizer: Tokenizer, seed: int) -> None:
    link = ScriptedLink(tokenizer, gibberish)
    async with serving(link, tokenizer, calls=CALLS, settings=SETTINGS) as served:
        codes = await fuzz(served, 400, seed)
        assert link.num_running == 0
    assert codes.total() == 400
    assert {method for method, _ in codes} == {method.name for method in SERVICE.methods}
    seen = {code for _, code in codes}
    assert {"OK", "INVALID_ARGUMENT", "NOT_FOUND"} <= seen, "the inputs are neither all good nor all bad"
    await nothing_is_left()
