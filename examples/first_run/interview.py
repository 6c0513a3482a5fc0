"""Asks a question over the OpenAI API, shows the answer as it comes, and runs the tools that the model calls.

Not here: what is asked (`questions`), how it looks (`cluster.chat.screen`).
"""

from typing import TextIO

from cluster.chat.chat_client import ChatClient, Place
from cluster.chat.conversation import Answer, Conversation
from cluster.chat.screen import Screen
from cluster.chat.turn import take_turn
from cluster.environment import may_color
from examples.first_run.questions import Question

_OPTIONS = {"temperature": 0, "max_completion_tokens": 200}
_MOST_TURNS = 4


class Interview:
    """Of one server; each question begins a conversation."""

    def __init__(self, address: str, out: TextIO) -> None:
        self._client = ChatClient(Place.parse(address))
        self._out = out
        self._screen = Screen(out, is_plain=False, has_color=out.isatty() and may_color())
        self.model = self._client.models()[0]  # as the server calls it

    def ask(self, question: Question) -> None:
        declared = [tool.declared for tool in question.tools]
        conversation = Conversation(self.model, options=_OPTIONS, tools=declared)
        self._out.write(f"> {question.text}\n")
        conversation.say(question.text)
        for _ in range(_MOST_TURNS):
            answer = take_turn(self._client, conversation, self._screen)
            if not answer.tool_calls:
                break
            self._run_tools(question, conversation, answer)

    def _run_tools(self, question: Question, conversation: Conversation, answer: Answer) -> None:
        name_to_tool = {tool.name: tool for tool in question.tools}
        for call in answer.tool_calls.values():
            output = name_to_tool[call.name].call(
                call.arguments
            )  # the gateway lets only declared ones through
            self._screen.note(f"<- {output}")
            conversation.report(call, output)
