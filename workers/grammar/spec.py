"""What a request wants its output to look like, checked for size and never changed.

Not here: llguidance and torch, so that a process that only passes a request on can build these. Whether the
grammar makes sense is found by `GrammarCompiler`.
"""

from dataclasses import dataclass
from enum import StrEnum

from protos.errors import InvalidGrammarError

MAX_GRAMMAR_BYTES = 256 * 1024


class GrammarKind(StrEnum):
    JSON_SCHEMA = "json_schema"
    JSON_OBJECT = "json_object"
    REGEX = "regex"
    CHOICE = "choice"
    LARK = "lark"


@dataclass(frozen=True, slots=True)
class GrammarSpec:
    """`text` is the schema, the regular expression or the Lark grammar; `choices` are for CHOICE alone.

    Lark is llguidance's: it may name special tokens (`<|channel|>`) and hold schemas (`%json {…}`).
    """

    kind: GrammarKind
    text: str = ""
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind is GrammarKind.CHOICE and not self.choices:
            raise InvalidGrammarError("choice: the list of choices is empty; it needs at least one")
        if self.kind not in (GrammarKind.CHOICE, GrammarKind.JSON_OBJECT) and not self.text:
            raise InvalidGrammarError(f"{self.kind}: the text is empty; leave the grammar out, or write one")
        assert not self.choices or self.kind is GrammarKind.CHOICE, "only CHOICE has choices"
        assert not self.text or self.kind not in (GrammarKind.CHOICE, GrammarKind.JSON_OBJECT), (
            "text is unread"
        )
        self._check_encoding()

    @classmethod
    def json_schema(cls, text: str) -> "GrammarSpec":
        return cls(GrammarKind.JSON_SCHEMA, text)

    @classmethod
    def json_object(cls) -> "GrammarSpec":
        """Any JSON object."""
        return cls(GrammarKind.JSON_OBJECT)

    @classmethod
    def regex(cls, text: str) -> "GrammarSpec":
        """The whole output matches it."""
        return cls(GrammarKind.REGEX, text)

    @classmethod
    def choice(cls, *choices: str) -> "GrammarSpec":
        """The output is one of these."""
        return cls(GrammarKind.CHOICE, choices=choices)

    @classmethod
    def lark(cls, text: str) -> "GrammarSpec":
        return cls(GrammarKind.LARK, text)

    def _check_encoding(self) -> None:
        try:
            num_bytes = sum(len(part.encode()) for part in (self.text, *self.choices))
        except UnicodeEncodeError as error:
            raise InvalidGrammarError(
                f"{self.kind}: half a surrogate pair at character {error.start}; send well-formed Unicode"
            ) from error
        if num_bytes > MAX_GRAMMAR_BYTES:
            raise InvalidGrammarError(
                f"{self.kind}: it has {num_bytes} bytes, the limit is {MAX_GRAMMAR_BYTES}; send a smaller one"
            )
