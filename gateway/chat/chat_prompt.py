"""What the engine is asked for a chat: the prompt's tokens, and the grammar that the answer is held to.

Not here: the order of messages (`conversation`), their spelling and the grammar's (`gateway.harmony`).
"""

from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from gateway.chat.chat_request import ChatRequest, ToolUse
from gateway.chat.conversation import messages_of
from gateway.harmony.call_rule import CallRule
from gateway.harmony.envelope import Envelope, envelope
from gateway.harmony.renderer import HarmonyRenderer
from gateway.harmony.settings import FUNCTIONS
from gateway.harmony.vocabulary import HarmonyVocabulary


class ChatPrompt(NamedTuple):
    token_ids: tuple[int, ...]
    envelope: Envelope | None


class ChatPrompter:
    """Immutable; any thread may use it. `today` stands in the system message."""

    def __init__(
        self, vocabulary: HarmonyVocabulary, today: Callable[[], date], *, is_enveloped: bool = False
    ) -> None:
        """`is_enveloped`: every chat, whether it asks for that or not."""
        self._renderer = HarmonyRenderer(vocabulary)
        self._today = today
        self._is_enveloped = is_enveloped

    def prompt(self, request: ChatRequest) -> ChatPrompt:
        """Raises InvalidRequestError for a conversation that cannot have been."""
        token_ids = self._renderer.for_completion(messages_of(request, self._today()))
        needs_envelope = self._is_enveloped or request.needs_envelope
        return ChatPrompt(tuple(token_ids), _envelope_of(request) if needs_envelope else None)


def _envelope_of(request: ChatRequest) -> Envelope:
    answer = None if request.answer_format is None else request.answer_format.grammar
    return envelope(request.tools, rule=_rule_of(request), response=answer)


def _rule_of(request: ChatRequest) -> CallRule:
    match request.tool_choice.use:
        case ToolUse.NONE:
            return CallRule.none()
        case ToolUse.AUTO:
            return CallRule.auto()
        case ToolUse.REQUIRED if request.tool_choice.name is None:
            return CallRule.required()
        case ToolUse.REQUIRED:
            return CallRule.named(f"{FUNCTIONS}.{request.tool_choice.name}")
