"""Reads the tokens that a model writes, as they come, and says which messages they make.

Whatever the tokens are, it goes on: what is malformed is mended, told and counted, and never an error
(docs/harmony.md has the table). Not here: what a header says (`header`, `message_kind`). One parser reads one
choice of one request.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from gateway.harmony.conversation import Role
from gateway.harmony.events import (
    EndedBy,
    MessageEnded,
    MessageKind,
    ParserEvent,
    Recovered,
    Recovery,
    TextDelta,
)
from gateway.harmony.header import Header, HeaderDraft, Part
from gateway.harmony.message_kind import DeclaredTools, opening_of
from gateway.harmony.vocabulary import HarmonyVocabulary
from model.tokenizer import TextStream


class HarmonyParser:
    """Not for several threads. It is in a text, in a header, between messages, or done with the answer."""

    def __init__(
        self,
        vocabulary: HarmonyVocabulary,
        tools: DeclaredTools,
        *,
        begins_in_header: bool,
        ends_with_answer: bool,
    ) -> None:
        self._vocabulary = vocabulary
        self._pieces = vocabulary.pieces
        self._num_pieces = len(vocabulary.pieces)
        self._tools = tools
        self._ends_with_answer = ends_with_answer
        self._kind: MessageKind | None = None  # of the message whose text is written
        self._draft = HeaderDraft(Role.ASSISTANT) if begins_in_header else None
        self._has_start = begins_in_header  # whether the header has its <|start|>
        self._mark_to_end = _mark_to_end(vocabulary)
        self._is_done = False
        self._has_answered = False  # whether a final message has been whole
        self._stream = TextStream()
        self._position = 0
        self._first_untold = 0
        self._num_characters = 0
        self.recoveries: Counter[Recovery] = Counter()

    @classmethod
    def of_answer(
        cls,
        vocabulary: HarmonyVocabulary,
        recipients: Iterable[str],
        *,
        begins_in_header: bool = True,
    ) -> "HarmonyParser":
        """For what follows a prompt, which has begun the header unless said otherwise.

        `recipients` are the tools that may be called. After the end of the answer, all is surplus.
        """
        tools = DeclaredTools(recipients)
        return cls(vocabulary, tools, begins_in_header=begins_in_header, ends_with_answer=True)

    @classmethod
    def of_conversation(cls, vocabulary: HarmonyVocabulary) -> "HarmonyParser":
        """For whole messages of anybody, with whatever recipients."""
        return cls(vocabulary, DeclaredTools(None), begins_in_header=False, ends_with_answer=False)

    def push(self, token_ids: Sequence[int], text_length: int | None = None) -> list[ParserEvent]:
        """`text_length` comes with the last tokens of an answer that a stop string has cut: how many
        characters the engine has told of it. What the tokens spell beyond is not told.
        """
        events: list[ParserEvent] = []
        run: list[bytes] = []
        for token_id in token_ids:
            piece = self._pieces[token_id] if 0 <= token_id < self._num_pieces else b""
            if piece and self._kind is not None:
                run.append(piece)
            else:
                if run:
                    self._tell(self._stream.push(b"".join(run)), events)
                    run = []
                self._take(token_id, piece, events)
            self._position += 1
        if run:
            self._tell(self._stream.push(b"".join(run)), events, text_length)
        return events

    def finish(self) -> list[ParserEvent]:
        """No token will follow."""
        events: list[ParserEvent] = []
        if self._draft is not None and not self._draft.is_blank:
            self._cut_header_off(self._draft, events)
        if self._kind is not None:
            self._end(EndedBy.TRUNCATION, events)
        self._draft, self._is_done = None, True
        return events

    def _tell(self, text: str, events: list[ParserEvent], text_length: int | None = None) -> None:
        self._num_characters += len(text)
        if text_length is not None and self._num_characters > text_length:
            text = text[: max(0, len(text) - (self._num_characters - text_length))]
        if text:
            assert self._kind is not None
            first = self._first_untold
            events.append(TextDelta(self._kind, text, first, self._position - first))
            self._first_untold = self._position

    def _take(self, token_id: int, piece: bytes, events: list[ParserEvent]) -> None:
        """A token that is not the text of a message."""
        if piece:
            self._num_characters += len(piece.decode("utf-8", errors="ignore"))
            self._take_word(piece, events)
        else:
            self._take_mark(token_id, events)
        if self._draft is None or self._draft.is_blank:
            self._first_untold = self._position + 1

    def _take_word(self, piece: bytes, events: list[ParserEvent]) -> None:
        if self._is_done or (self._draft is None and self._has_answered):
            self._recover(Recovery.SURPLUS_TOKEN, "", events)
            return
        draft = self._draft or self._begin_header(Role.ASSISTANT, has_start=False)
        draft.write(piece)
        if not draft.may_go_on():
            self._break_header_off(draft, events, num_more=1)

    def _take_mark(self, token_id: int, events: list[ParserEvent]) -> None:
        marks = self._vocabulary.marks
        if self._is_done:
            self._recover(Recovery.SURPLUS_TOKEN, "", events)
        elif token_id == marks.message:
            self._take_message(events)
        elif token_id == marks.channel:
            self._take_channel(events)
        elif token_id == marks.constrain and self._draft is not None:
            self._draft.open(Part.TYPE)
        elif token_id == marks.start:
            self._leave(EndedBy.NEXT_MESSAGE, events)
            self._begin_header(None, has_start=True)
        elif (ended_by := self._mark_to_end.get(token_id)) is not None:
            self._leave(ended_by, events)
            self._is_done = self._ends_with_answer and ended_by is not EndedBy.END
        else:
            recovery = Recovery.STRAY_MARK if token_id == marks.constrain else Recovery.UNKNOWN_TOKEN
            self._recover(recovery, self._vocabulary.name_of(token_id), events)

    def _take_message(self, events: list[ParserEvent]) -> None:
        if self._kind is not None:
            self._recover(Recovery.STRAY_MARK, "<|message|>", events)
            return
        draft = self._draft or self._begin_header(Role.ASSISTANT, has_start=False)
        if not self._has_start:
            self._recover(Recovery.MISSING_START, "", events)
        self._open(draft.ended(), events)

    def _take_channel(self, events: list[ParserEvent]) -> None:
        """In a text, or between messages, it begins a header whose <|start|> is missing."""
        if self._kind is not None:
            self._leave(EndedBy.NEXT_MESSAGE, events)
        draft = self._draft or self._begin_header(Role.ASSISTANT, has_start=False)
        draft.open(Part.CHANNEL)

    def _begin_header(self, role: Role | None, *, has_start: bool) -> HeaderDraft:
        self._draft, self._has_start = HeaderDraft(role), has_start
        return self._draft

    def _break_header_off(self, draft: HeaderDraft, events: list[ParserEvent], num_more: int = 0) -> None:
        """What can be no header is text of the message that it was to begin; no message comes of nothing."""
        header = draft.broken_off()
        self._draft = None
        if not header.rest and not (header.recipient and self._tools.find(header.recipient)):
            surplus = draft.is_blank and not self._has_start
            self._recover(Recovery.SURPLUS_TOKEN if surplus else Recovery.MALFORMED_HEADER, "", events)
            return
        if not self._has_start and header.channel is not None:
            self._recover(Recovery.MISSING_START, "", events)
        kind = self._open(header, events)
        if text := self._stream.push(header.rest):
            first = self._first_untold
            events.append(TextDelta(kind, text, first, self._position - first + num_more))
        self._first_untold = self._position + num_more

    def _cut_header_off(self, draft: HeaderDraft, events: list[ParserEvent]) -> None:
        """The name of a tool may not have been written to its end, so no call comes of it."""
        recipient = draft.broken_off().recipient
        if recipient is not None and self._tools.find(recipient) is not None:
            self._draft = None
            self._recover(Recovery.MALFORMED_HEADER, "", events)
        else:
            self._break_header_off(draft, events)

    def _open(self, header: Header, events: list[ParserEvent]) -> MessageKind:
        opening = opening_of(header, self._tools)
        for recovered in opening.recovered:
            self._recover(recovered.recovery, recovered.detail, events)
        events.append(opening.began)
        self._draft, self._kind = None, opening.began.kind
        return opening.began.kind

    def _leave(self, ended_by: EndedBy, events: list[ParserEvent]) -> None:
        """A message ends here, or a header without one; between messages only another may begin."""
        if self._draft is not None:
            self._break_header_off(self._draft, events)
        elif self._kind is None and ended_by is not EndedBy.NEXT_MESSAGE:
            self._recover(Recovery.STRAY_MARK, ended_by, events)
        if self._kind is not None:
            self._end(ended_by, events)

    def _end(self, ended_by: EndedBy, events: list[ParserEvent]) -> None:
        assert self._kind is not None
        self._tell(self._stream.finish(), events)
        if ended_by in (EndedBy.NEXT_MESSAGE, EndedBy.END_OF_TEXT):
            self._recover(Recovery.MISSING_END, "", events)
        events.append(MessageEnded(self._kind, ended_by))
        self._has_answered = self._has_answered or self._kind is MessageKind.FINAL
        self._kind = None

    def _recover(self, recovery: Recovery, detail: str, events: list[ParserEvent]) -> None:
        """Surplus tokens are told once, and each of them counted."""
        is_told = recovery is Recovery.SURPLUS_TOKEN and self.recoveries[recovery] > 0
        self.recoveries[recovery] += 1
        if not is_told:
            events.append(Recovered(recovery, detail))


def _mark_to_end(vocabulary: HarmonyVocabulary) -> dict[int, EndedBy]:
    marks = vocabulary.marks
    of_any_model = dict.fromkeys(vocabulary.tokenizer.stop_ids, EndedBy.END_OF_TEXT)
    return of_any_model | {
        marks.end: EndedBy.END,
        marks.return_: EndedBy.RETURN,
        marks.call: EndedBy.CALL,
    }
