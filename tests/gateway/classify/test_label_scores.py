"""Labels scored by a real, tiny model: exactly what it says of the same tokens as a prompt, and cheaply."""

import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.calls.call_book import CallBook
from gateway.classify.classifier import Classifier
from gateway.classify.classify_request import ClassifyRequest
from gateway.engine_link.local_link import LocalEngineLink
from gateway.inference import Inference
from gateway.served_model import ServedModel
from model.sampling.parameters import SamplingParameters
from model.tokenizer.tokenizer import Tokenizer
from tests.gateway.engine_here import engine_here
from tests.workers.engine.tiny_engine import SPOKEN, TinyEngine, load_deterministic
from workers.engine.events import Event, PromptEcho, RequestEnded
from workers.engine.load import EngineLoad
from workers.engine.request import GenerationRequest

LABELS = ("safe", "unsafe", "unsafe but funny")
CONTENTS = ("A first text.", "Another one, which is longer.")


@dataclass
class NotingLink:
    """A link that keeps what passes through it."""

    link: LocalEngineLink
    requests: list[GenerationRequest] = field(default_factory=list)
    ends: list[RequestEnded] = field(default_factory=list)

    @property
    def load(self) -> EngineLoad | None:
        return self.link.load

    async def submit(self, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        self.requests.append(request)
        async with aclosing(self.link.submit(request)) as events:
            async for event in events:
                if isinstance(event, RequestEnded):
                    self.ends.append(event)
                yield event


async def prompt_logprobs(link: LocalEngineLink, token_ids: tuple[int, ...]) -> list[float]:
    """Of every token but the first, by one pass over all."""
    sampling = SamplingParameters(temperature=0.0, prompt_logprobs=0)
    request = GenerationRequest("oracle", token_ids, sampling, max_tokens=0)
    async with aclosing(link.submit(request)) as events:
        async for event in events:
            if isinstance(event, PromptEcho):
                return [entry.chosen.logprob for entry in event.logprobs if entry is not None]
    raise AssertionError("no prompt came back")


async def test_a_real_model_scores_labels_as_it_scores_a_prompt(spoken_folder: Path) -> None:
    tokenizer = Tokenizer.open(spoken_folder, SPOKEN.vocab_size)
    tiny = TinyEngine(load_deterministic(spoken_folder), tokenizer, num_pages=600)
    async with engine_here(tiny.core, tiny.admission, max_waiting=200) as local:
        link = NotingLink(local)
        model = ServedModel("tiny", tokenizer, tiny.admission.context_limit, 0)
        classifier = Classifier(Inference(link, model, CallBook()))
        request = ClassifyRequest("Judge.", LABELS, CONTENTS, reasoning_budget=13)
        classified = await classifier.classify(request, "call")
        assert len(classified.classifications) == 2
        for index, judged in enumerate(classified.classifications):
            of_content = [each for each in link.requests if each.request_id.startswith(f"call.{index}.")]
            prefix = min((each.prompt for each in of_content[1:]), key=len)
            for label, logprob in zip(LABELS, judged.logprobs, strict=True):
                answer = (*tokenizer.encode(label), tokenizer.special_ids["<|return|>"])
                scored = await prompt_logprobs(local, prefix + answer)
                assert logprob == pytest.approx(sum(scored[-len(answer) :]), abs=1e-5)  # sums of float32
            assert judged.label == LABELS[judged.logprobs.index(max(judged.logprobs))]
            assert math.isclose(sum(judged.probabilities), 1.0)
    usage_of = {end.request_id: end.usage for end in link.ends}
    scoring = [each for each in link.requests if each.sampling.logit_bias]
    num_prompt = sum(len(each.prompt) for each in scoring)
    num_cached = sum(usage_of[each.request_id].cached_tokens for each in scoring)
    assert num_cached > 0.7 * num_prompt, "the prefix cache makes it cheap"
