"""What the parser says of the tokens that a model writes: messages that begin, grow and end; what it mended.

Plain values. A message begins, has any number of deltas, and ends, before another begins. `TextDelta` is a
tuple because there is one for nearly every token.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from gateway.harmony.conversation import Role


class MessageKind(StrEnum):
    """What a message is to whoever reads the answer."""

    REASONING = "reasoning"  # analysis
    PREAMBLE = "preamble"  # commentary to nobody: the user may see it
    FINAL = "final"  # the answer
    CALL = "call"  # of a tool; the text is the arguments
    FOREIGN = "foreign"  # not the assistant's: the model plays another's part, nothing of it is its answer


class EndedBy(StrEnum):
    END = "end"  # <|end|>: another message may follow
    RETURN = "return"  # <|return|>: the answer is whole
    CALL = "call"  # <|call|>: a tool is to answer
    NEXT_MESSAGE = "next_message"  # another began without an end of this one
    END_OF_TEXT = "end_of_text"  # a stop token that is none of harmony's
    TRUNCATION = "truncation"  # no more tokens came


class Recovery(StrEnum):
    """What was wrong and has been mended. docs/harmony.md says how each is."""

    MISSING_HEADER = "missing_header"  # text where a message should begin
    MISSING_CHANNEL = "missing_channel"
    UNKNOWN_CHANNEL = "unknown_channel"
    MALFORMED_HEADER = "malformed_header"
    MISSING_START = "missing_start"  # a header without <|start|>
    MISSING_END = "missing_end"  # a message without an end
    UNDECLARED_RECIPIENT = "undeclared_recipient"
    MENDED_RECIPIENT = "mended_recipient"  # a declared tool, misspelt
    MISPLACED_CALL = "misplaced_call"  # on a channel where no such call belongs
    FOREIGN_ROLE = "foreign_role"
    STRAY_MARK = "stray_mark"  # a control token in a text
    UNKNOWN_TOKEN = "unknown_token"  # an id that has no entry in the vocabulary
    SURPLUS_TOKEN = "surplus_token"  # after the end of the answer


@dataclass(frozen=True, slots=True)
class MessageBegan:
    """`recipient` is the declared tool's name where it is a call; `channel` what the header says."""

    kind: MessageKind
    role: Role
    name: str | None
    channel: str | None
    recipient: str | None
    content_type: str | None


class TextDelta(NamedTuple):
    """More text of the message that began last; never empty, whole characters only.

    It stems from `num_tokens` tokens, of which the first has the position `first_token` among all that the
    parser was given: where their log-probabilities lie.
    """

    kind: MessageKind
    text: str
    first_token: int
    num_tokens: int


@dataclass(frozen=True, slots=True)
class MessageEnded:
    kind: MessageKind
    ended_by: EndedBy


@dataclass(frozen=True, slots=True)
class Recovered:
    """`detail` shows what was found, shortened."""

    recovery: Recovery
    detail: str


ParserEvent = MessageBegan | TextDelta | MessageEnded | Recovered
