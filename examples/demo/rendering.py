"""Conversations into tokens, by the gateway's own renderer: what it would prompt with, and what shall follow.

Not here: how many of them make a batch (`batches`).
"""

from dataclasses import dataclass
from pathlib import Path

from examples.demo.example import Example
from gateway.chat.conversation import messages_of
from gateway.harmony.history import EarlierReasoning
from gateway.harmony.renderer import HarmonyRenderer
from gateway.harmony.vocabulary import HarmonyVocabulary
from model.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Rendered:
    """The reply alone is learned: it begins behind `<|start|>assistant`, and ends with its stop token."""

    prompt: tuple[int, ...]
    reply: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.reply)


class ExampleRenderer:
    """Immutable; any thread may use it."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.vocabulary = HarmonyVocabulary.of(tokenizer)
        self._asks = HarmonyRenderer(self.vocabulary)
        self._replies = HarmonyRenderer(self.vocabulary, EarlierReasoning.KEPT)
        self._opening = self._asks.for_completion(())

    @classmethod
    def of_folder(cls, folder: Path, vocab_size: int) -> "ExampleRenderer":
        return cls(Tokenizer.open(folder, vocab_size))

    def render(self, example: Example) -> Rendered:
        prompt = self._asks.for_completion(messages_of(example.request, example.today))
        reply = self._replies.for_training(example.reply)
        assert reply[: len(self._opening)] == self._opening, "a reply is the assistant's"
        return Rendered(tuple(prompt), tuple(reply[len(self._opening) :]))
