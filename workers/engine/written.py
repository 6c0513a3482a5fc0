"""What the client of a request has been told of it elsewhere: a worker that takes it over goes on from there.

Nothing of it is told again. What the first worker had sampled and not yet told is not in it: that is sampled
anew, and comes out the same, since draws depend on seed and position alone.
"""

from dataclasses import dataclass

from protos.errors import InvalidRequestError
from workers.engine.events import FinishReason


@dataclass(frozen=True, slots=True)
class WrittenChoice:
    """One choice, as the deltas of it add up."""

    token_ids: tuple[int, ...] = ()
    num_characters: int = 0  # of text, which may have run ahead of the tokens
    finish: FinishReason | None = None
    num_hidden: int = 0  # tokens that count and were not shown; the last delta says how many

    def __post_init__(self) -> None:
        for name, value in (("num_characters", self.num_characters), ("num_hidden", self.num_hidden)):
            if value < 0:
                raise InvalidRequestError(f"{name} of a written choice is {value}; it must be at least 0")
        if self.num_hidden and self.finish is None:
            raise InvalidRequestError(
                f"a written choice has {self.num_hidden} hidden tokens and no finish; only one that has "
                f"finished can have any"
            )

    @property
    def num_output(self) -> int:
        return len(self.token_ids) + self.num_hidden

    @property
    def is_empty(self) -> bool:
        return not self.token_ids and not self.num_characters and self.finish is None


NOTHING_WRITTEN = WrittenChoice()


@dataclass(frozen=True, slots=True)
class Written:
    """Every choice of the request, in order."""

    choices: tuple[WrittenChoice, ...]
    prompt_told: bool = False  # whether the prompt was given back, if it was asked for

    @property
    def num_tokens(self) -> int:
        return sum(len(choice.token_ids) for choice in self.choices)

    @property
    def is_prompt_told(self) -> bool:
        """The prompt comes before every delta."""
        return self.prompt_told or not all(choice.is_empty for choice in self.choices)
