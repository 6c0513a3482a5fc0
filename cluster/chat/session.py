"""A person at a terminal and a model: lines, /commands, tools' answers, until one of them has enough.

Not here: one answer (`turn`), nor reading from a pipe (`cluster.commands.chat`).
"""

from collections.abc import Callable
from pathlib import Path

from cluster.chat.chat_client import ChatClient
from cluster.chat.conversation import Conversation, Effort
from cluster.chat.screen import Screen
from cluster.chat.turn import take_turn
from protos.errors import ExpertMeshError

Ask = Callable[[str], str]
"""Shows a prompt and reads a line. Raises EOFError at the end, KeyboardInterrupt for Ctrl-C."""

_HELP = """\
/effort low|medium|high   how long the model thinks
/system TEXT              what it is told before everything; without TEXT: nothing
/clear                    begin a new conversation
/save FILE                write the conversation as JSON
/help                     these lines
/quit                     end, as Ctrl-D does

A line that ends in \\ goes on in the next one. Ctrl-C cancels an answer."""
_MORE = "\\"


class Session:
    """`run` returns when the person has enough."""

    def __init__(self, client: ChatClient, conversation: Conversation, screen: Screen, ask: Ask) -> None:
        self._client = client
        self._conversation = conversation
        self._screen = screen
        self._ask = ask
        self._commands = {
            "/effort": self._set_effort,
            "/system": self._set_system,
            "/clear": self._clear,
            "/save": self._save,
            "/help": self._help,
        }

    def run(self) -> None:
        while True:
            try:
                line = self._read()
            except EOFError:
                self._screen.note("")
                return
            except KeyboardInterrupt:
                self._screen.note("\n(/quit or Ctrl-D ends)")
                continue
            if line.split(maxsplit=1)[:1] in (["/quit"], ["/exit"]):
                return
            self._obey(line)

    def _read(self) -> str:
        lines = [self._ask(self._screen.styled("> ", is_bold=True))]
        while lines[-1].endswith(_MORE):
            lines[-1] = lines[-1].removesuffix(_MORE)
            lines.append(self._ask(self._screen.styled(". ")))
        return "\n".join(lines).strip()

    def _obey(self, line: str) -> None:
        if not line:
            return
        if not line.startswith("/"):
            self._converse(line)
            return
        name, _, rest = line.partition(" ")
        command = self._commands.get(name)
        if command is None:
            self._screen.complain(f"there is no {name}; /help shows what there is")
        else:
            command(rest.strip())

    def _converse(self, text: str) -> None:
        """A turn, and one more for as long as the model calls tools; nothing of it is kept if it fails."""
        before = len(self._conversation.messages)
        self._conversation.say(text)
        try:
            answer = take_turn(self._client, self._conversation, self._screen)
            while answer.tool_calls:
                for call in answer.tool_calls.values():
                    output = self._ask(self._screen.styled(f"{call.name} answers: "))
                    self._conversation.report(call, output)
                answer = take_turn(self._client, self._conversation, self._screen)
            if not answer.content:
                self._conversation.forget(before)
        except ExpertMeshError as error:
            self._conversation.forget(before)
            self._screen.complain(str(error))
        except (KeyboardInterrupt, EOFError):
            self._conversation.forget(before)
            self._screen.note("\n(the turn is taken back)")

    def _set_effort(self, text: str) -> None:
        if text not in set(Effort):
            self._screen.complain(f"/effort is {text or 'empty'}; it can be {', '.join(Effort)}")
            return
        self._conversation.effort = Effort(text)
        self._screen.note(f"effort: {text}")

    def _set_system(self, text: str) -> None:
        self._conversation.system = text or None
        self._screen.note("it is told that first" if text else "it is told nothing first")

    def _clear(self, _: str) -> None:
        self._conversation.forget(0)
        self._screen.note("a new conversation")

    def _save(self, text: str) -> None:
        if not text:
            self._screen.complain("/save needs the name of a file")
            return
        try:
            self._conversation.save(Path(text).expanduser())
        except OSError as error:
            self._screen.complain(f"{text} cannot be written: {error.strerror}")
        else:
            self._screen.note(f"written: {text}")

    def _help(self, _: str) -> None:
        self._screen.note(_HELP)
