"""What harmony needs of a checkpoint's tokenizer: its control tokens by name, and the bytes of every token.

Not here: reading the files (`model.tokenizer`). A tokenizer without all of harmony's control tokens is
refused: the gateway is not ready then.
"""

from dataclasses import dataclass

from model.tokenizer import HarmonyMarks, Tokenizer
from protos.errors import TokenizerError


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class HarmonyVocabulary:
    """`pieces` has an entry for each token; it is empty for control tokens and ids without an entry."""

    tokenizer: Tokenizer
    marks: HarmonyMarks
    pieces: tuple[bytes, ...]

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "HarmonyVocabulary":
        marks = HarmonyMarks.of(tokenizer)
        if marks is None:
            raise TokenizerError(
                "the tokenizer has none of harmony's special tokens (<|start|>, <|message|>, …), so this is "
                "no gpt-oss model; chat needs one, so take tokenizer.json from the base model"
            )
        for name, mark in (("<|return|>", marks.return_), ("<|call|>", marks.call)):
            if mark not in tokenizer.stop_ids:
                raise TokenizerError(
                    f"{name} ({mark}) is not among the stop tokens {sorted(tokenizer.stop_ids)}, so answers "
                    f"would not end; take generation_config.json from the base model"
                )
        if marks.end in tokenizer.stop_ids:
            raise TokenizerError(
                f"<|end|> ({marks.end}) is among the stop tokens, so an answer would end with its reasoning; "
                f"take generation_config.json from the base model"
            )
        pieces = tuple(map(tokenizer.token_bytes, range(tokenizer.vocab_size)))
        return cls(tokenizer, marks, pieces)

    def name_of(self, token_id: int) -> str:
        """To show it to a person."""
        named = (name for name, number in self.tokenizer.special_ids.items() if number == token_id)
        return next(named, f"token {token_id}")
