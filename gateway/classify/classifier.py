"""Classifies contents by a policy, as gpt-oss-safeguard was trained to: the policy is the instructions, the
content is the user's message, the model reasons and then names a label.

The label is not left to chance: once the reasoning stands, every label is scored as the whole answer, and the
likeliest is it. Not here: stored policies (`policy_store`), and the wire.
"""

import asyncio
import math
from collections.abc import Sequence
from itertools import count

from gateway.calls.call_book import CallRequest
from gateway.calls.whole import read_whole
from gateway.chat.chat_request import ChatRequest
from gateway.classify.classify_request import Classification, Classified, ClassifyRequest
from gateway.classify.judged_turns import judged_turns
from gateway.classify.label_scores import Tokens, score
from gateway.classify.together import together
from gateway.inference import Inference
from gateway.options import GenerationOptions
from gateway.text.text_request import TextRequest
from gateway.text.text_result import TextResult
from model.sampling.parameters import SamplingParameters
from workers.engine.events import Usage
from workers.engine.request import StopRules

_REASONING = "<|channel|>analysis<|message|>"
_ANSWER = "<|end|><|start|>assistant<|channel|>final<|message|>"
_REASONING_TOKENS = 2048
"""For a content whose request does not say how many."""


class Classifier:
    """Of one event loop. What it asks of the engine are calls like everybody's, `max_asked` at once."""

    def __init__(self, inference: Inference, max_asked: int = 64) -> None:
        self._inference = inference
        self._tokenizer = inference.model.tokenizer
        self._asking = asyncio.Semaphore(max_asked)

    async def classify(self, request: ClassifyRequest, call_id: str) -> Classified:
        """All contents, or the error of the first that fails; whoever is cancelled here asks nothing more."""
        answers = tuple(
            (*self._tokenizer.encode(label), self._tokenizer.special_ids["<|return|>"])
            for label in request.labels
        )
        judged = await together(
            _Judgement(self, request, answers, f"{call_id}.{index}").of(content)
            for index, content in enumerate(request.contents)
        )
        classifications, usages = zip(*judged, strict=True)
        return Classified(classifications, _sum(usages))

    async def prompt(self, request: ClassifyRequest, content: str) -> Tokens:
        """To where the reasoning begins."""
        turns = judged_turns(request.policy_text, request.labels, content)
        prompt = await self._inference.prompt_tokens(ChatRequest(turns, effort=request.effort))
        return (*prompt, *self._tokenizer.encode_with_specials(_REASONING))

    def answer_header(self) -> Tokens:
        """From the end of the reasoning to where the label begins."""
        return tuple(self._tokenizer.encode_with_specials(_ANSWER))

    def end_of_reasoning(self) -> int:
        return self._tokenizer.special_ids["<|end|>"]

    def room(self, prompt: Tokens, answers: Sequence[Tokens]) -> int:
        """For reasoning, in tokens."""
        behind = len(self.answer_header()) + max(map(len, answers))
        return self._inference.model.context_limit - len(prompt) - behind

    async def ask(self, request: TextRequest, call_id: str) -> TextResult:
        """To its end. Raises its error."""
        result = TextResult(request.options.num_choices)
        async with self._asking:
            call = await self._inference.text(request, CallRequest(call_id))
            await read_whole(call, result.take)
        return result


class _Judgement:
    """Of one content."""

    def __init__(
        self, classifier: Classifier, request: ClassifyRequest, answers: Sequence[Tokens], call_id: str
    ) -> None:
        self._classifier = classifier
        self._request = request
        self._answers = answers
        self._call_id = call_id
        self._serials = count()
        self._compute_s = 0.0

    async def of(self, content: str) -> tuple[Classification, Usage]:
        prompt = await self._classifier.prompt(self._request, content)
        reasoned = await self._reason(prompt)
        choice = reasoned.choices[0]
        has_stop = isinstance(choice.stopped_by, int)
        written = tuple(choice.token_ids[:-1] if has_stop else choice.token_ids)
        logprobs = await score(
            prompt + written + self._classifier.answer_header(),
            self._answers,
            self._ask,
            self._request.priority,
            self._request.timeout_s,
        )
        probabilities = _softmax(logprobs)
        best = max(range(len(logprobs)), key=logprobs.__getitem__)
        classification = Classification(
            self._request.labels[best], tuple(logprobs), probabilities, choice.text
        )
        return classification, self._usage(reasoned, len(self._answers[best]))

    async def _reason(self, prompt: Tokens) -> TextResult:
        request, room = self._request, self._classifier.room(prompt, self._answers)
        budget = request.reasoning_budget
        options = GenerationOptions(
            SamplingParameters(temperature=0.0),
            max_tokens=max(0, min(room, _REASONING_TOKENS)) if budget is None else budget,
            stop=StopRules(token_ids=frozenset({self._classifier.end_of_reasoning()})),
            priority=request.priority,
            timeout_s=request.timeout_s,
        )
        return await self._ask(TextRequest(prompt, options))

    async def _ask(self, request: TextRequest) -> TextResult:
        result = await self._classifier.ask(request, f"{self._call_id}.{next(self._serials)}")
        if result.usage is not None:
            self._compute_s += result.usage.compute_s
        return result

    def _usage(self, reasoned: TextResult, num_answer: int) -> Usage:
        usage = reasoned.usage
        assert usage is not None, "a call that has ended says what it has cost"
        return Usage(
            prompt_tokens=usage.prompt_tokens,
            cached_tokens=usage.cached_tokens,
            output_tokens=usage.output_tokens + num_answer,
            reasoning_tokens=usage.reasoning_tokens,
            drafted_tokens=usage.drafted_tokens,
            accepted_tokens=usage.accepted_tokens,
            queue_s=usage.queue_s,
            compute_s=self._compute_s,
        )


def _softmax(logprobs: Sequence[float]) -> tuple[float, ...]:
    most = max(logprobs)
    weights = [math.exp(logprob - most) for logprob in logprobs]
    return tuple(weight / sum(weights) for weight in weights)


def _sum(usages: Sequence[Usage]) -> Usage:
    return Usage(
        prompt_tokens=sum(usage.prompt_tokens for usage in usages),
        cached_tokens=sum(usage.cached_tokens for usage in usages),
        output_tokens=sum(usage.output_tokens for usage in usages),
        reasoning_tokens=sum(usage.reasoning_tokens for usage in usages),
        drafted_tokens=sum(usage.drafted_tokens for usage in usages),
        accepted_tokens=sum(usage.accepted_tokens for usage in usages),
        queue_s=max(usage.queue_s for usage in usages),
        compute_s=sum(usage.compute_s for usage in usages),
    )
