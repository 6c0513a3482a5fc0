"""The events of a chat as chunks of a stream, for all that is new at once.

Hot: what all chunks of a stream share is written once; of each only its text is encoded. Not here: what an
error becomes (`event_stream`).
"""

from collections.abc import Sequence

from gateway.chat.chat_events import (
    ChatEvent,
    ChoiceEnded,
    ContentDelta,
    ReasoningDelta,
    ToolArgumentsDelta,
    ToolCallBegan,
)
from gateway.http_face.chat.answer import FINISH_TO_REASON, AnswerHead, logprobs_document
from gateway.http_face.json_text import json_text
from gateway.http_face.usage import usage_document
from model.sampling.sampled_tokens import PositionLogprobs
from workers.engine.events import RequestEnded

_NO_FINISH = "null"


class ChatChunks:
    """Of one stream. `encode` every batch."""

    def __init__(self, head: AnswerHead, *, with_usage: bool) -> None:
        shared = json_text(
            {
                "id": head.call_id,
                "object": "chat.completion.chunk",
                "created": head.created,
                "model": head.model,
            }
        )
        self._opening = f'data: {shared[:-1]},"choices":['
        self._closing = '],"usage":null}\n\n' if with_usage else "]}\n\n"
        self._names = head.names
        self._with_logprobs = head.with_logprobs
        self._with_usage = with_usage
        self._begun: set[int] = set()  # choices

    def encode(self, events: Sequence[ChatEvent]) -> bytes:
        """Neighbours of one kind and choice become one chunk. An error is left to the caller."""
        chunks: list[str] = []
        position = 0
        while position < len(events):
            first = events[position]
            end = position + 1
            if isinstance(first, ReasoningDelta | ContentDelta | ToolArgumentsDelta):
                while end < len(events) and _continues(first, events[end]):
                    end += 1
            chunks.append(self._chunk(first, events[position:end]))
            position = end
        return "".join(chunks).encode()

    def _chunk(self, first: ChatEvent, run: Sequence[ChatEvent]) -> str:
        match first:
            case ContentDelta():
                return self._content(first, [each for each in run if isinstance(each, ContentDelta)])
            case ReasoningDelta():
                text = json_text(_joined(run))
                return self._delta(first.choice, f'"reasoning":{text},"reasoning_content":{text}')
            case ToolCallBegan():
                named = json_text({"name": first.name, "arguments": ""})
                call = f'"id":{json_text(first.call_id)},"type":"function","function":{named}'
                return self._tool_call(first.choice, first.call_index, call)
            case ToolArgumentsDelta():
                written = f'"function":{{"arguments":{json_text(_joined(run))}}}'
                return self._tool_call(first.choice, first.call_index, written)
            case ChoiceEnded():
                return self._delta(first.choice, "", finish=f'"{FINISH_TO_REASON[first.finish]}"')
            case RequestEnded():
                return self._end(first)

    def _content(self, first: ContentDelta, run: Sequence[ContentDelta]) -> str:
        logprobs = [position for each in run for position in each.logprobs] if self._with_logprobs else None
        return self._delta(first.choice, f'"content":{json_text(_joined(run))}', logprobs)

    def _tool_call(self, choice: int, call_index: int, fields: str) -> str:
        return self._delta(choice, f'"tool_calls":[{{"index":{call_index},{fields}}}]')

    def _delta(
        self,
        choice: int,
        fields: str,
        logprobs: Sequence[PositionLogprobs] | None = None,
        finish: str = _NO_FINISH,
    ) -> str:
        scores = "null" if logprobs is None else json_text(logprobs_document(self._names, logprobs))
        chunk = (
            f'{self._opening}{{"index":{choice},"delta":{{{fields}}},"logprobs":{scores},'
            f'"finish_reason":{finish}}}{self._closing}'
        )
        if choice in self._begun:
            return chunk
        self._begun.add(choice)
        return self._delta(choice, '"role":"assistant","content":""') + chunk

    def _end(self, event: RequestEnded) -> str:
        if event.error is not None or not self._with_usage:
            return ""
        return f'{self._opening}],"usage":{json_text(usage_document(event.usage))}}}\n\n'


Texted = ReasoningDelta | ContentDelta | ToolArgumentsDelta


def _continues(first: Texted, other: ChatEvent) -> bool:
    if type(first) is not type(other) or first.choice != other.choice:
        return False
    return not isinstance(first, ToolArgumentsDelta) or (
        isinstance(other, ToolArgumentsDelta) and first.call_index == other.call_index
    )


def _joined(run: Sequence[ChatEvent]) -> str:
    if len(run) == 1 and isinstance(run[0], Texted):
        return run[0].text
    return "".join(each.text for each in run if isinstance(each, Texted))
