"""Which messages of a conversation the model is shown again.

Reasoning is for the turn that it was made in: once that turn has ended in a final answer, it is dropped;
inside a loop of tool calls, which has not ended, it is kept. Not here: tokens.
"""

from collections.abc import Sequence
from enum import StrEnum

from gateway.harmony.conversation import Message, Role
from gateway.harmony.settings import Channel


class EarlierReasoning(StrEnum):
    """What becomes of the analysis of earlier turns.

    AS_OPENAI_HARMONY is what that library does: it drops what stands before the first final answer, and only
    where the last message of the assistant is final. So reasoning of a second turn stays for ever, and that
    of the first comes back while tools are called. DROPPED is what the format asks for, and the chat template
    that models are published with.
    """

    DROPPED = "dropped"
    AS_OPENAI_HARMONY = "as_openai_harmony"
    KEPT = "kept"


def shown_messages(messages: Sequence[Message], earlier: EarlierReasoning) -> list[Message]:
    num_ended = _num_ended(messages, earlier)
    return [
        message
        for index, message in enumerate(messages)
        if index >= num_ended or message.channel != Channel.ANALYSIS
    ]


def _num_ended(messages: Sequence[Message], earlier: EarlierReasoning) -> int:
    """How many messages, from the first, belong to turns whose reasoning is dropped."""
    finals = [index for index, message in enumerate(messages) if message.channel == Channel.FINAL]
    match earlier:
        case EarlierReasoning.DROPPED:
            return finals[-1] if finals else 0
        case EarlierReasoning.AS_OPENAI_HARMONY:
            of_assistant = [message for message in messages if message.role is Role.ASSISTANT]
            has_ended = bool(of_assistant) and of_assistant[-1].channel == Channel.FINAL
            return finals[0] if finals and has_ended else 0
        case EarlierReasoning.KEPT:
            return 0
