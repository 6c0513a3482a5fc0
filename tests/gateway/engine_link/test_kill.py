"""Attention workers in processes of their own, killed in mid-token: requests get what they would have got.

The model is real and tiny, in deterministic mode; what is compared is tokens, text, log-probabilities, ends.
"""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.engine_link.failover_link import FailoverLink
from gateway.engine_link.grpc_link import GrpcEngineLink
from gateway.engine_link.settings import FailoverSettings, LinkSettings
from model.sampling.parameters import SamplingParameters
from model.tokenizer import Tokenizer
from tests.gateway.engine_link.attention_process import AttentionProcess
from tests.gateway.engine_link.hearing import Heard, listen, until
from tests.workers.engine.tiny_engine import SPOKEN, tokens
from workers.engine.request import GenerationRequest, StopRules
from workers.grammar.spec import GrammarSpec

NUM_REQUESTS = 20


@pytest.fixture
def processes(spoken_folder: Path) -> Iterator[list[AttentionProcess]]:
    made = [AttentionProcess(spoken_folder) for _ in range(4)]
    yield made
    for process in made:
        process.kill()


def some_requests(folder: Path) -> list[GenerationRequest]:
    """Of every kind, long enough to be cut."""
    tokenizer = Tokenizer.open(folder, SPOKEN.vocab_size)
    letters = dict.fromkeys(tokenizer.encode("abcd"), 50.0)
    thinking = tuple(tokenizer.encode_with_specials("<|start|>assistant<|channel|>analysis<|message|>"))
    requests = []
    for number in range(NUM_REQUESTS):
        name, prompt = f"{number}", tokens(5 + 7 * number, number)
        seeded = SamplingParameters(seed=number, logit_bias=letters, logprobs=number % 3)
        match number % 5:
            case 0:
                greedy = SamplingParameters(temperature=0.0)
                made = GenerationRequest(name, prompt, greedy, max_tokens=60, echo=True)
            case 1:
                made = GenerationRequest(
                    name, prompt, seeded, max_tokens=60, stop=StopRules(("dddda", "abcdabcda")), num_choices=2
                )
            case 2:
                penal = SamplingParameters(
                    seed=number, logit_bias=letters, repetition_penalty=1.2, frequency_penalty=0.3
                )
                made = GenerationRequest(name, prompt, penal, max_tokens=60)
            case 3:
                grammar = GrammarSpec.regex("[a-z]{30,50}[0-9]{5}")
                made = GenerationRequest(name, prompt, seeded, max_tokens=60, grammar=grammar)
            case _:
                made = GenerationRequest(name, thinking, seeded, max_tokens=60, reasoning_budget=20)
        requests.append(made)
    return requests


@asynccontextmanager
async def linked(*processes: AttentionProcess) -> AsyncIterator[FailoverLink]:
    settings = LinkSettings(silence_s=1.5)
    link = FailoverLink(
        lambda address, changed: GrpcEngineLink(address, settings=settings, changed=changed),
        FailoverSettings(patience_s=60.0),
    )
    link.set_workers([process.address for process in processes])
    yield link
    await link.aclose()


async def undisturbed(requests: list[GenerationRequest], process: AttentionProcess) -> list[Heard]:
    async with linked(process) as link:
        return await asyncio.gather(*(listen(link, request) for request in requests))


def test_workers_that_are_killed_change_no_token(
    processes: list[AttentionProcess], spoken_folder: Path
) -> None:
    """Two are killed and one is stopped, so that it says nothing more; the last brings all to their ends."""
    requests = some_requests(spoken_folder)
    last, *victims = processes
    chance = random.Random(5)

    async def run() -> tuple[list[Heard], list[Heard], int]:
        expected = await undisturbed(requests, last)
        num_expected = sum(each.num_tokens for each in expected)
        heard = [Heard() for _ in requests]
        async with linked(*processes) as link:
            await until(lambda: link.load is not None and link.load.num_pages == 4 * 400)
            tasks = [
                asyncio.create_task(listen(link, request, each))
                for request, each in zip(requests, heard, strict=True)
            ]
            for place, victim in enumerate(victims):
                share = chance.uniform(0.1, 0.25) * (1 + place)
                await until(lambda share=share: sum(each.num_tokens for each in heard) > share * num_expected)
                victim.send(signal.SIGSTOP if place == 1 else signal.SIGKILL)
            await asyncio.gather(*tasks)
            return expected, heard, link.num_failovers

    expected, heard, num_failovers = asyncio.run(run())
    assert num_failovers >= 3
    assert [each.error for each in heard] == [None] * NUM_REQUESTS
    assert heard == expected


def test_a_worker_without_a_replica_is_waited_for(
    processes: list[AttentionProcess], spoken_folder: Path
) -> None:
    requests = some_requests(spoken_folder)[:7]
    first, second, *_ = processes

    async def run() -> tuple[list[Heard], list[Heard]]:
        expected = await undisturbed(requests, second)
        heard = [Heard() for _ in requests]
        async with linked(first) as link:
            tasks = [
                asyncio.create_task(listen(link, request, each))
                for request, each in zip(requests, heard, strict=True)
            ]
            await until(lambda: all(each.num_tokens > 3 for each in heard))
            first.kill()
            await until(lambda: link.load is None)
            link.set_workers([second.address])
            await asyncio.gather(*tasks)
        return expected, heard

    expected, heard = asyncio.run(run())
    assert heard == expected
