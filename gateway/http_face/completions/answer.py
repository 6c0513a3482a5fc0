"""A completion as clients get it: whole, or in chunks for all that is new at once."""

from collections.abc import Sequence

from pydantic import BaseModel

from gateway.http_face.completions.choice_text import ChoiceText
from gateway.http_face.json_text import json_text
from gateway.http_face.token_names import TokenNames
from gateway.http_face.usage import UsageAnswer, usage_document
from gateway.request_id import time_of
from workers.engine.events import ChoiceDelta, Event, PromptEcho, RequestEnded, Usage

CALL_PREFIX = "cmpl-"


class CompletionLogprobs(BaseModel):
    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class CompletionChoice(BaseModel):
    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: str


class CompletionAnswerBody(BaseModel):
    """It describes; answers are made without it."""

    id: str
    object: str
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: UsageAnswer


class CompletionAnswer:
    """Of one request: `take` what is new of a prompt, then `chunk` or, at the end, `document`."""

    def __init__(
        self,
        call_id: str,
        model: str,
        names: TokenNames,
        *,
        num_prompts: int,
        num_choices: int,
        with_logprobs: bool,
    ) -> None:
        self._shared = {
            "id": call_id,
            "object": "text_completion",
            "created": time_of(call_id, CALL_PREFIX),
            "model": model,
        }
        self._num_choices = num_choices
        self._with_logprobs = with_logprobs
        self._choices = [ChoiceText(names) for _ in range(num_prompts * num_choices)]
        self._usages: list[Usage] = []
        self._opening = f'data: {json_text(self._shared)[:-1]},"choices":['

    def take(self, prompt: int, events: Sequence[Event | RequestEnded]) -> None:
        """An error is left to the caller."""
        first = prompt * self._num_choices
        for event in events:
            match event:
                case ChoiceDelta():
                    self._choices[first + event.choice].take(event)
                case PromptEcho():
                    for choice in self._choices[first : first + self._num_choices]:
                        choice.take_echo(event)
                case RequestEnded():
                    self._usages.append(event.usage)

    def chunk(self, *, with_usage: bool) -> bytes:
        """What was taken since the last one; a chunk for each choice that has news."""
        usage = ',"usage":null' if with_usage else ""
        chunks: list[str] = []
        for index, choice in enumerate(self._choices):
            if choice.has_news:
                document = json_text(choice.document(index, with_logprobs=self._with_logprobs))
                chunks.append(f"{self._opening}{document}]{usage}}}\n\n")
                choice.clear()
        return "".join(chunks).encode()

    def usage_chunk(self) -> bytes:
        return f'{self._opening}],"usage":{json_text(usage_document(*self._usages))}}}\n\n'.encode()

    def document(self) -> dict[str, object]:
        choices = [
            choice.document(index, with_logprobs=self._with_logprobs)
            for index, choice in enumerate(self._choices)
        ]
        return {**self._shared, "choices": choices, "usage": usage_document(*self._usages)}
