"""The model that a gateway answers for: its names, its tokenizer, its limits. Never changed.

Not here: where its engines are (`engine_link`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from model.tokenizer.tokenizer import Tokenizer
from protos.errors import InvalidRequestError, NotFoundError


@dataclass(frozen=True, slots=True, eq=False)
class ServedModel:
    """`aliases` are other names that clients may use."""

    name: str
    tokenizer: Tokenizer
    context_limit: int
    created: int  # Unix time: when it was first served here
    aliases: Sequence[str] = ()

    def check_name(self, name: str) -> None:
        """Raises NotFoundError for the name of another model."""
        if name != self.name and name not in self.aliases:
            known = ", ".join((self.name, *self.aliases))
            raise NotFoundError(f"the model {name!r} is not served here; these are: {known}").about("model")

    def check_tokens(self, token_ids: Sequence[int]) -> None:
        vocab_size = self.tokenizer.vocab_size
        wrong = next((token_id for token_id in token_ids if not 0 <= token_id < vocab_size), None)
        if wrong is not None:
            raise InvalidRequestError(
                f"the prompt holds the token {wrong}; the vocabulary has the tokens 0 to {vocab_size - 1}"
            ).about("prompt")
