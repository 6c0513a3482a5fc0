"""Asks an exported model what it was never trained on, through the product itself, and counts right answers.

Gateway, engine and parser run in this process as in single mode; every answer is greedy. Not here: which
conversations are held out (`curriculum`), what is right (`right`).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cluster.environment import cpu_kernel_settings
from examples.demo.curriculum import TASK_TO_MAKER, held_out
from examples.demo.example import EFFORTS, Example
from examples.demo.right import is_as_expected
from examples.demo.scores import EffortLength, Scores, TaskScore
from examples.demo.tasks import classification, lists, sums
from gateway.calls.call_book import CallBook, CallRequest
from gateway.calls.whole import read_whole
from gateway.chat.chat_events import ChatEvent, ChoiceEnded
from gateway.chat.chat_result import ChatResult
from gateway.chat.turns import UserTurn
from gateway.classify.classifier import Classifier
from gateway.classify.classify_request import ClassifyRequest
from gateway.engine_link.local_link import LocalEngineLink
from gateway.harmony.settings import ReasoningEffort
from gateway.inference import Inference
from gateway.options import GenerationOptions
from gateway.served_model import ServedModel
from model.sampling.parameters import SamplingParameters
from protos.errors import ConfigError
from workers.engine.door import Deliver
from workers.engine.engine import Engine
from workers.engine.events import RequestEnded
from workers.engine.local_engine import LocalEngineOptions, load_model, local_engine, open_tokenizer

SEED = 1
"""Of the held-out sets; which conversations may be in them does not depend on it."""

_CACHE_BYTES = 64 << 20
_MAX_TOKENS = 200
_AT_ONCE = 64
_EFFORT_TASKS = (sums.TASK, lists.TASK)


@dataclass(frozen=True, slots=True)
class Answer:
    is_right: bool
    is_malformed: bool
    reasoning_tokens: int


def score_folder(folder: Path, per_task: int) -> Scores:
    return asyncio.run(_score(folder, per_task))


async def _score(folder: Path, per_task: int) -> Scores:
    async with _engine_on(folder) as (link, model):
        asking = Asking(link, model)
        tasks = []
        for task in TASK_TO_MAKER:
            answers = await asking.all(held_out(SEED, task, per_task))
            tasks.append(_counted(task, answers))
        efforts = [await _length_at(effort, asking, per_task) for effort in EFFORTS]
    return Scores(tuple(tasks), tuple(efforts))


def _counted(task: str, answers: Sequence[Answer]) -> TaskScore:
    return TaskScore(
        task,
        num_right=sum(answer.is_right for answer in answers),
        num_asked=len(answers),
        num_malformed=sum(answer.is_malformed for answer in answers),
    )


async def _length_at(effort: ReasoningEffort, asking: "Asking", per_task: int) -> EffortLength:
    examples = [example for task in _EFFORT_TASKS for example in held_out(SEED, task, per_task)]
    changed = [replace(example, request=replace(example.request, effort=effort)) for example in examples]
    answers = await asking.all(changed)
    return EffortLength(effort.value, round(sum(each.reasoning_tokens for each in answers) / len(answers), 1))


@asynccontextmanager
async def _engine_on(folder: Path) -> AsyncIterator[tuple[LocalEngineLink, ServedModel]]:
    options = LocalEngineOptions(cache_bytes=_CACHE_BYTES, cpu_kernels=cpu_kernel_settings())
    model = load_model(folder, options)
    tokenizer = open_tokenizer(folder, model.config)
    if tokenizer is None:
        raise ConfigError(
            f"{folder} holds no tokenizer.json; name a folder that examples.demo.train has written"
        )
    engines: list[Engine] = []

    def make(deliver: Deliver) -> Engine:
        engines.append(local_engine(model, tokenizer, options, deliver))
        return engines[0]

    link = LocalEngineLink(make)
    engines[0].start()
    try:
        yield link, ServedModel(folder.name, tokenizer, engines[0].context_limit, 0)
    finally:
        await asyncio.to_thread(engines[0].close)


class Asking:
    """So many at once, each on its own day."""

    def __init__(self, link: LocalEngineLink, model: ServedModel) -> None:
        self._link = link
        self._model = model
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def all(self, examples: Sequence[Example]) -> Sequence[Answer]:
        return await asyncio.gather(*(self._ask(f"{index}", each) for index, each in enumerate(examples)))

    async def _ask(self, call_id: str, example: Example) -> Answer:
        today = example.today
        assert today is not None, "held-out conversations have their date"
        async with self._places:
            inference = Inference(self._link, self._model, CallBook(), today=lambda: today)
            if example.task == classification.TASK:
                return await _classified(inference, call_id, example)
            return await _chatted(inference, call_id, example)


async def _classified(inference: Inference, call_id: str, example: Example) -> Answer:
    """By the gateway's classifier, which makes the prompt itself."""
    content = example.request.turns[-1]
    assert example.policy is not None
    assert isinstance(content, UserTurn)
    request = ClassifyRequest(example.policy, example.labels, (content.text,), example.request.effort)
    classified = await Classifier(inference).classify(request, call_id)
    (found,) = classified.classifications
    return Answer(found.label == example.reply[-1].text, False, classified.usage.reasoning_tokens)


async def _chatted(inference: Inference, call_id: str, example: Example) -> Answer:
    options = GenerationOptions(SamplingParameters(temperature=0.0), max_tokens=_MAX_TOKENS)
    request = replace(example.request, options=options)
    result = ChatResult(1)
    ends: list[ChoiceEnded] = []

    def take(events: Sequence[ChatEvent | RequestEnded]) -> None:
        result.take(events)
        ends.extend(event for event in events if isinstance(event, ChoiceEnded))

    await read_whole(await inference.chat(request, CallRequest(call_id)), take)
    assert result.usage is not None, "a call that has ended says what it has cost"
    is_right = is_as_expected(example, result.choices[0])
    return Answer(is_right, ends[0].num_recoveries > 0, result.usage.reasoning_tokens)
