"""An engine that judges as a test wants it: it reasons in words, and likes one label for each content."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field

from model.sampling.sampled_tokens import PositionLogprobs, TokenLogprob
from model.tokenizer.tokenizer import Tokenizer
from protos.errors import ExpertMeshError
from tests.gateway.scripted_link import SERVING
from workers.engine.events import ChoiceDelta, Event, FinishReason, RequestEnded, Usage
from workers.engine.load import EngineLoad
from workers.engine.request import GenerationRequest

LIKED, DISLIKED = -0.125, -4.0


@dataclass
class JudgingLink:
    """An `EngineLink`. `content_to_label` says what it likes; a token goes its own way at `DISLIKED`."""

    tokenizer: Tokenizer
    content_to_label: Mapping[str, str]
    load: EngineLoad | None = SERVING
    failure: ExpertMeshError | None = None  # of every request about a content that it does not know
    tells_tops: bool = False
    requests: list[GenerationRequest] = field(default_factory=list)
    num_running: int = 0
    most_running: int = 0

    async def submit(self, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        self.requests.append(request)
        self.num_running += 1
        self.most_running = max(self.most_running, self.num_running)
        try:
            await asyncio.sleep(0.001)
            label = self._label(request)
            wanted = list(request.sampling.logit_bias)
            delta = self._token(request, label, wanted[0]) if wanted else self._reasoning(request, label)
            yield delta
            yield RequestEnded(
                request.request_id, Usage(len(request.prompt), 2, len(delta.token_ids), 1, 0, 0, 0.25, 0.5)
            )
        finally:
            self.num_running -= 1

    def _label(self, request: GenerationRequest) -> str:
        text = self.tokenizer.decode(request.prompt)
        labels = [label for content, label in self.content_to_label.items() if content in text]
        if labels:
            return labels[0]
        assert self.failure is not None, "a test names every content"
        raise self.failure

    def _reasoning(self, request: GenerationRequest, label: str) -> ChoiceDelta:
        text = f"It is {label}."
        end = self.tokenizer.special_ids["<|end|>"]
        token_ids = (*self.tokenizer.encode(text), end)[: request.max_tokens]
        has_ended = token_ids[-1:] == (end,)
        return ChoiceDelta(
            request.request_id,
            0,
            token_ids,
            self.tokenizer.decode(token_ids),
            (),
            FinishReason.STOP if has_ended else FinishReason.LENGTH,
            end if has_ended else None,
        )

    def _token(self, request: GenerationRequest, label: str, wanted: int) -> ChoiceDelta:
        """What it likes is the next token of its label, if the label has been followed so far."""
        message = self.tokenizer.special_ids["<|message|>"]
        written = request.prompt[len(request.prompt) - request.prompt[::-1].index(message) :]
        liked = (*self.tokenizer.encode(label), self.tokenizer.special_ids["<|return|>"])
        follows = liked[: len(written)] == written and len(written) < len(liked)
        likes = follows and liked[len(written)] == wanted
        chosen = TokenLogprob(wanted, LIKED if likes else DISLIKED)
        top = (TokenLogprob(liked[len(written)], LIKED),) if self.tells_tops and follows else ()
        return ChoiceDelta(
            request.request_id,
            0,
            (wanted,),
            self.tokenizer.decode((wanted,)),
            (PositionLogprobs(chosen, top),),
            FinishReason.LENGTH,
        )
