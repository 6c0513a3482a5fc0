"""An engine that says what a test has written for it: real events, no model.

A script is text with harmony's control tokens by name; a token a delta, as an engine would give them.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from model.sampling.sampled_tokens import PositionLogprobs, TokenLogprob
from model.tokenizer.tokenizer import Tokenizer
from protos.errors import ExpertMeshError
from workers.engine.events import ChoiceDelta, Event, FinishReason, PromptEcho, RequestEnded, Usage
from workers.engine.load import EngineLoad, ServingState
from workers.engine.request import GenerationRequest

SERVING = EngineLoad(0, 0, 100, 100, ServingState.SERVING)
Script = Callable[[GenerationRequest, int], str]
"""Of a request and the number of one of its choices."""


@dataclass
class ScriptedLink:
    """An `EngineLink`. It notes what came, and which requests were given up by their readers."""

    tokenizer: Tokenizer
    script: Script = lambda request, choice: "<|channel|>final<|message|>Hello.<|return|>"  # noqa: ARG005
    load: EngineLoad | None = SERVING
    pause_s: float = 0.0  # between two tokens
    refusal: ExpertMeshError | None = None
    breaks_after: tuple[int, ExpertMeshError] | None = None  # so many tokens, and then this
    stalls_after: int | None = None  # tokens, and then nothing more comes
    requests: list[GenerationRequest] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    num_running: int = 0

    async def submit(self, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        self.requests.append(request)
        await asyncio.sleep(0)
        if self.refusal is not None:
            raise self.refusal
        self.num_running += 1
        has_ended = False
        try:
            async for event in self._events(request):
                has_ended = isinstance(event, RequestEnded)
                yield event
        finally:
            self.num_running -= 1
            if not has_ended:
                self.cancelled.append(request.request_id)

    async def _events(self, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        if request.echo:
            text = self.tokenizer.decode(request.prompt)
            scored = request.sampling.prompt_logprobs is not None
            logprobs = tuple(None if i == 0 else _logprob(t) for i, t in enumerate(request.prompt))
            yield PromptEcho(request.request_id, request.prompt, text, logprobs if scored else ())
        num_output = 0
        for choice in range(request.num_choices):
            token_ids = self.tokenizer.encode_with_specials(self.script(request, choice))
            most = len(token_ids) + 1 if request.max_tokens is None else request.max_tokens
            for index, token_id in enumerate(token_ids[:most]):
                await self._breathe(num_output)
                num_output += 1
                yield self._delta(request, choice, token_id, is_last=index + 1 in (most, len(token_ids)))
            if not token_ids[:most]:
                yield ChoiceDelta(request.request_id, choice, (), "", (), FinishReason.LENGTH)
        if self.breaks_after is not None and num_output >= self.breaks_after[0]:
            yield RequestEnded(request.request_id, self._usage(request, num_output), self.breaks_after[1])
        else:
            yield RequestEnded(request.request_id, self._usage(request, num_output))

    async def _breathe(self, num_output: int) -> None:
        await asyncio.sleep(self.pause_s)
        if self.stalls_after == num_output:
            await asyncio.Event().wait()
        if self.breaks_after is not None and self.breaks_after[0] == num_output:
            raise self.breaks_after[1]

    def _delta(self, request: GenerationRequest, choice: int, token_id: int, *, is_last: bool) -> ChoiceDelta:
        is_stop = token_id in self.tokenizer.stop_ids
        wants = request.sampling.logprobs is not None
        finish = None if not (is_last or is_stop) else FinishReason.STOP if is_stop else FinishReason.LENGTH
        return ChoiceDelta(
            request.request_id,
            choice,
            (token_id,),
            self.tokenizer.decode((token_id,)),
            (_logprob(token_id),) if wants else (),
            finish,
            token_id if is_stop else None,
        )

    def _usage(self, request: GenerationRequest, num_output: int) -> Usage:
        return Usage(
            prompt_tokens=len(request.prompt),
            cached_tokens=0,
            output_tokens=num_output,
            reasoning_tokens=0,
            drafted_tokens=0,
            accepted_tokens=0,
            queue_s=0.0,
            compute_s=0.0,
        )


def _logprob(token_id: int) -> PositionLogprobs:
    chosen = TokenLogprob(token_id, -0.25)
    return PositionLogprobs(chosen, (chosen, TokenLogprob(token_id ^ 1, -1.75)))
