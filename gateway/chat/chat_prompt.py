"""What the engine is asked for a chat: the prompt's tokens, and the grammar that the answer is held to.

Not here: the order of messages (`conversation`), their spelling and the grammar's (`gateway.harmony`).
"""

from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from gateway.chat.chat_request import ChatRequest
from gateway.chat.conversation import messages_of
from gateway.harmony.renderer import HarmonyRenderer
from gateway.harmony.vocabulary import HarmonyVocabulary
from workers.grammar.spec import GrammarSpec


class ChatPrompt(NamedTuple):
    token_ids: tuple[int, ...]
    grammar: GrammarSpec | None


class ChatPrompter:
    """Immutable; any thread may use it. `today` stands in the system message."""

    def __init__(self, vocabulary: HarmonyVocabulary, today: Callable[[], date]) -> None:
        self._renderer = HarmonyRenderer(vocabulary)
        self._today = today

    def prompt(self, request: ChatRequest) -> ChatPrompt:
        """Raises InvalidRequestError for a conversation that cannot have been."""
        token_ids = self._renderer.for_completion(messages_of(request, self._today()))
        return ChatPrompt(tuple(token_ids), None)
