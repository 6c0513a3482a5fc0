"""The control tokens of the harmony format, found by name in a vocabulary.

Not here: how harmony is written or parsed (the gateway's). The engine uses it to know where a message's
analysis ends, and to end it.
"""

from dataclasses import dataclass

from model.tokenizer.tokenizer import Tokenizer
from protos.errors import TokenizerError

MARK_TO_NAME = {
    "start": "<|start|>",
    "end": "<|end|>",
    "message": "<|message|>",
    "channel": "<|channel|>",
    "return_": "<|return|>",
    "call": "<|call|>",
    "constrain": "<|constrain|>",
}
CLOSING_OF_ANALYSIS = "<|end|><|start|>assistant<|channel|>final<|message|>"


@dataclass(frozen=True, slots=True)
class HarmonyMarks:
    """`closing_of_analysis` ends a message of the analysis channel and opens the final one."""

    start: int
    end: int
    message: int
    channel: int
    return_: int
    call: int
    constrain: int
    closing_of_analysis: tuple[int, ...]

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "HarmonyMarks | None":
        """None for a vocabulary without any of them: its model does not speak harmony."""
        found = {
            mark: tokenizer.special_ids[name]
            for mark, name in MARK_TO_NAME.items()
            if name in tokenizer.special_ids
        }
        if not found:
            return None
        missing = [name for mark, name in MARK_TO_NAME.items() if mark not in found]
        if missing:
            raise TokenizerError(
                f"the tokenizer has some of harmony's special tokens and lacks {', '.join(missing)}; it "
                f"needs all {len(MARK_TO_NAME)} or none, so take tokenizer.json from the base model"
            )
        return cls(**found, closing_of_analysis=tuple(tokenizer.encode_with_specials(CLOSING_OF_ANALYSIS)))
