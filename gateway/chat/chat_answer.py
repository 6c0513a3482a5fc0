"""What the engine says of a chat, in the client's words: tokens become typed deltas, choice by choice.

Not here: how tokens become messages (`gateway.harmony.parser`), nor the wire. One object for each call; no
step of it can fail, whatever the model writes.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256

from gateway.chat.chat_events import (
    ChatDelta,
    ChatEvent,
    ChatFinish,
    ChoiceEnded,
    ContentDelta,
    ReasoningDelta,
    ToolArgumentsDelta,
    ToolCallBegan,
)
from gateway.chat.chat_request import ChatRequest, ToolUse
from gateway.harmony.events import (
    EndedBy,
    MessageBegan,
    MessageEnded,
    MessageKind,
    ParserEvent,
    TextDelta,
)
from gateway.harmony.parser import HarmonyParser
from gateway.harmony.settings import Channel
from gateway.harmony.vocabulary import HarmonyVocabulary
from model.sampling.sampled_tokens import PositionLogprobs
from workers.engine.events import ChoiceDelta, Event, FinishReason, RequestEnded

_NO_ARGUMENTS = "{}"


class ChatAnswer:
    """`translate` every event of the engine, in order."""

    def __init__(self, vocabulary: HarmonyVocabulary, request: ChatRequest, call_id: str) -> None:
        tools = () if request.tool_choice.use is ToolUse.NONE else request.tools
        recipient_to_name = {tool.recipient: tool.name for tool in tools}
        self._choices = [
            _ChoiceAnswer(vocabulary, recipient_to_name, call_id, choice)
            for choice in range(request.options.num_choices)
        ]

    def translate(self, event: Event) -> Sequence[ChatEvent]:
        match event:
            case ChoiceDelta():
                return list(self._choices[event.choice].take(event))
            case RequestEnded():
                return (event,)
            case _:
                return ()


class _ChoiceAnswer:
    """One choice."""

    def __init__(
        self,
        vocabulary: HarmonyVocabulary,
        recipient_to_name: Mapping[str, str],
        call_id: str,
        choice: int,
    ) -> None:
        self._parser = HarmonyParser.of_answer(vocabulary, recipient_to_name)
        self._recipient_to_name = recipient_to_name
        self._call_id = call_id
        self._choice = choice
        self._num_characters = 0  # that the engine has told
        self._logprobs: list[PositionLogprobs] = []  # of tokens whose text has not been told
        self._first_logprob = 0
        self._num_calls = 0
        self._has_arguments = False
        self._has_content = False

    def take(self, delta: ChoiceDelta) -> Iterator[ChatDelta]:
        self._num_characters += len(delta.text)
        self._logprobs += delta.logprobs
        is_cut = isinstance(delta.stopped_by, str)
        for event in self._parser.push(delta.token_ids, self._num_characters if is_cut else None):
            yield from self._told(event)
        if delta.finish is not None:
            for event in self._parser.finish():
                yield from self._told(event)
            yield self._end(delta.finish, delta.stopped_by)

    def _told(self, event: ParserEvent) -> Iterator[ChatDelta]:
        match event:
            case TextDelta():
                yield from self._text(event)
            case MessageBegan(kind=MessageKind.CALL, recipient=recipient):
                assert recipient is not None, "the parser names the tool that is called"
                self._has_arguments = False
                self._num_calls += 1
                name = self._recipient_to_name[recipient]
                yield ToolCallBegan(self._choice, self._num_calls - 1, self._id_of_call(), name)
            case MessageEnded(kind=MessageKind.CALL, ended_by=ended_by):
                was_cut = ended_by is EndedBy.TRUNCATION  # it may have been about to write some
                if not self._has_arguments and not was_cut:
                    yield ToolArgumentsDelta(self._choice, self._num_calls - 1, _NO_ARGUMENTS, 0)

    def _text(self, delta: TextDelta) -> Iterator[ChatDelta]:
        logprobs = self._take_logprobs(delta)
        match delta.kind:
            case MessageKind.REASONING:
                yield ReasoningDelta(self._choice, delta.text, delta.num_tokens)
            case MessageKind.FINAL | MessageKind.PREAMBLE:
                self._has_content = True
                channel = Channel.FINAL if delta.kind is MessageKind.FINAL else Channel.COMMENTARY
                yield ContentDelta(self._choice, delta.text, channel, logprobs, delta.num_tokens)
            case MessageKind.CALL:
                self._has_arguments = True
                yield ToolArgumentsDelta(self._choice, self._num_calls - 1, delta.text, delta.num_tokens)

    def _take_logprobs(self, delta: TextDelta) -> Sequence[PositionLogprobs]:
        """Those of the tokens of this text; what lies before them is of headers, and let go."""
        if not self._logprobs:
            return ()
        begin = delta.first_token - self._first_logprob
        end = begin + delta.num_tokens
        taken = self._logprobs[begin:end]
        del self._logprobs[:end]
        self._first_logprob += end
        return taken

    def _end(self, finish: FinishReason, stopped_by: str | int | None) -> ChoiceEnded:
        return ChoiceEnded(
            self._choice,
            self._finish(finish),
            stopped_by if isinstance(stopped_by, str) else None,
            self._parser.recoveries.total(),
        )

    def _finish(self, finish: FinishReason) -> ChatFinish:
        if finish is FinishReason.STOP:
            return ChatFinish.TOOL_CALLS if self._num_calls else ChatFinish.STOP
        has_answer = self._has_content or self._num_calls
        return ChatFinish.LENGTH if has_answer else ChatFinish.LENGTH_IN_REASONING

    def _id_of_call(self) -> str:
        """The same for whoever tells this answer again, and for no other call."""
        seed = f"{self._call_id}/{self._choice}/{self._num_calls}"
        return f"call_{sha256(seed.encode()).hexdigest()[:24]}"
