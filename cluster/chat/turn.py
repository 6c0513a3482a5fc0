"""One turn: the conversation is sent, the answer is shown as it comes and kept. Ctrl-C ends the answer alone.

Not here: what the person says (`session`).
"""

import time
from contextlib import closing

from cluster.chat.chat_client import ChatClient
from cluster.chat.conversation import Answer, Conversation
from cluster.chat.deltas import Delta, Finished, Spent
from cluster.chat.screen import Screen


def take_turn(client: ChatClient, conversation: Conversation, screen: Screen) -> Answer:
    """-> what came; of an answer that was cancelled or broke, what had come is kept in the conversation."""
    answer, spent, first_s = Answer(), None, None
    began_at = time.monotonic()
    is_cancelled = False
    screen.begin()
    try:
        with closing(client.answer(conversation.request)) as deltas:
            for delta in deltas:
                if first_s is None and _is_text(delta):
                    first_s = time.monotonic() - began_at
                if isinstance(delta, Spent):
                    spent = delta
                answer.take(delta)
                screen.show(delta)
    except KeyboardInterrupt:
        is_cancelled = True
        answer.tool_calls.clear()  # they are not whole
    finally:
        if answer.content or answer.tool_calls:
            conversation.hear(answer)
    screen.end(spent, time.monotonic() - began_at, first_s, is_cancelled=is_cancelled)
    return answer


def _is_text(delta: Delta) -> bool:
    return not isinstance(delta, Finished | Spent)
