"""What a message is to whoever reads the answer, by its header and by the tools that the request declares.

Nothing that a model puts into a header is trusted: a call is one of a declared tool, or it is none. Not here:
how a header is read (`header`).
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.harmony.conversation import Role
from gateway.harmony.events import MessageBegan, MessageKind, Recovered, Recovery
from gateway.harmony.header import Header
from gateway.harmony.settings import FUNCTIONS, Channel

_NO_TOOL = frozenset({"all", Role.USER.value, Role.ASSISTANT.value})
_LEGAL = re.compile(r"[\w.-]+", re.ASCII)
_NAMESPACES = re.compile(r"\A(?:functions?\.)+")
_NAME_TO_CHANNEL = {channel.value: channel for channel in Channel}
_CHANNEL_TO_KIND = {
    Channel.ANALYSIS: MessageKind.REASONING,
    Channel.COMMENTARY: MessageKind.PREAMBLE,
    Channel.FINAL: MessageKind.FINAL,
}


@dataclass(frozen=True, slots=True)
class Opening:
    """How a message begins, and what had to be mended for that."""

    began: MessageBegan
    recovered: tuple[Recovered, ...]


class DeclaredTools:
    """The recipients that messages may have; None: any, for conversations whose tools nobody knows."""

    def __init__(self, recipients: Iterable[str] | None) -> None:
        self._recipients = None if recipients is None else frozenset(recipients)
        counts = Counter(map(self._spelling, self._recipients or ()))
        self._spellings = {
            self._spelling(name): name for name in self._recipients or () if counts[self._spelling(name)] == 1
        }

    def find(self, recipient: str) -> str | None:
        """The tool that is meant: as it is declared, also where the model's spelling differs. None where
        several might be.
        """
        if self._recipients is None or recipient in self._recipients:
            return recipient
        return self._spellings.get(self._spelling(recipient))

    def is_exactly(self, recipient: str) -> bool:
        return self._recipients is None or recipient in self._recipients

    @staticmethod
    def _spelling(recipient: str) -> str:
        """What different spellings of a name have in common."""
        found = _LEGAL.match(recipient.strip("\"'`"))
        name = found[0].casefold().strip(".") if found else ""
        return _NAMESPACES.sub("", name)


def opening_of(header: Header, tools: DeclaredTools) -> Opening:
    recovered = [] if header.is_whole else [_what_is_broken(header)]
    recipient, content_type = _recipient(header, tools)
    if header.role is not Role.ASSISTANT:
        recovered.append(Recovered(Recovery.FOREIGN_ROLE, _cut(header.name or header.role.value)))
        kind, called = MessageKind.FOREIGN, recipient
    else:
        channel, found = _channel(header)
        called, more = _called(header, recipient, channel, tools)
        kind = MessageKind.CALL if called else _CHANNEL_TO_KIND[channel]
        recovered += [*found, *more]
    began = MessageBegan(kind, header.role, header.name, header.channel, called, content_type)
    return Opening(began, tuple(recovered))


def _what_is_broken(header: Header) -> Recovered:
    said = (header.channel, header.recipient, header.content_type)
    recovery = Recovery.MALFORMED_HEADER if any(said) else Recovery.MISSING_HEADER
    shown = (*said, header.rest.decode("utf-8", errors="replace"))
    return Recovered(recovery, _cut(" ".join(filter(None, shown))))


def _recipient(header: Header, tools: DeclaredTools) -> tuple[str | None, str | None]:
    """-> recipient and content type. A single word is a recipient if there is such a tool."""
    if header.bare_word is None:
        return header.recipient, header.content_type
    is_tool = tools.find(header.bare_word) is not None
    return (header.bare_word, None) if is_tool else (None, header.bare_word)


def _channel(header: Header) -> tuple[Channel, list[Recovered]]:
    """The channel that is meant; `final` where none is, so that no answer is lost."""
    written = header.channel
    if written is None:
        is_said = not header.is_whole
        return Channel.FINAL, [] if is_said else [Recovered(Recovery.MISSING_CHANNEL, "")]
    if written in _NAME_TO_CHANNEL:
        return _NAME_TO_CHANNEL[written], []
    meant = next((each for each in Channel if written.casefold().startswith(each)), Channel.FINAL)
    return meant, [Recovered(Recovery.UNKNOWN_CHANNEL, _cut(written))]


def _called(
    header: Header, recipient: str | None, channel: Channel, tools: DeclaredTools
) -> tuple[str | None, list[Recovered]]:
    if recipient is None or (recipient in _NO_TOOL and not tools.is_exactly(recipient)):
        return None, []
    called = tools.find(recipient)
    if called is None:
        return None, [Recovered(Recovery.UNDECLARED_RECIPIENT, _cut(recipient))]
    recovered = []
    if called != recipient:
        recovered.append(Recovered(Recovery.MENDED_RECIPIENT, _cut(recipient)))
    if header.channel is not None and not _is_in_place(called, channel):
        recovered.append(Recovered(Recovery.MISPLACED_CALL, f"{_cut(called)} on {channel}"))
    return called, recovered


def _is_in_place(called: str, channel: Channel) -> bool:
    is_function = called.startswith(f"{FUNCTIONS}.")
    return channel is Channel.COMMENTARY or (channel is Channel.ANALYSIS and not is_function)


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"
