"""A prompt that is taken as it is, without harmony around it. Its events are the engine's own."""

from dataclasses import dataclass, field

from gateway.options import GenerationOptions
from workers.grammar.spec import GrammarSpec


@dataclass(frozen=True, slots=True)
class TextRequest:
    """`prompt`: text, in which special tokens are text too, or token ids."""

    prompt: str | tuple[int, ...]
    options: GenerationOptions = field(default_factory=GenerationOptions)
    grammar: GrammarSpec | None = None
    echo: bool = False
