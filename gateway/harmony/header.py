"""The header of one message while it is written, and what it says once it has ended.

`<|start|>ROLE to=RECIPIENT<|channel|>CHANNEL to=RECIPIENT <|constrain|>TYPE<|message|>`: a recipient may
stand in either place, and everything but the role may be left out. Models also write headers that never end,
so this says when what is written can be no header any more, and which part of it is text. Not here: which
channels and tools there are (`message_kind`).
"""

import re
from dataclasses import dataclass, replace
from enum import Enum

from gateway.harmony.conversation import Role
from gateway.harmony.settings import Channel

_MAX_BYTES = 256
_MAX_WORDS = 2
"""Beside role and channel: a recipient and a content type."""

_KEEPING = "surrogateescape"
"""So that the bytes of half a character are still there when its other half comes."""

_TO = "to="
_CONSTRAIN = "<|constrain|>"
_NAME = r"(?:(?!to=)[\w-]{1,32}(?![\w-]))?"
_WORD = r"[\w.:=/+<>|-]+"
_ADDRESS = r"(?:\s*to=(?P<address>[\w.:/<>|-]*)(?:\s+(?:json|code)\b)?)?"

_CHANNEL_MAY_GO_ON = re.compile(rf"\s*(?:to=(?:{_WORD})?|[\w-]{{0,32}})(?:\s+{_WORD}){{0,{_MAX_WORDS}}}\s*")
_TYPE_MAY_GO_ON = re.compile(r"\s*[\w.+/-]{0,32}\s*")
_BROKEN_ROLE = re.compile(rf"\s*(?:(?P<role>{'|'.join(Role)})\b(?::\S*)?)?{_ADDRESS}\s*")
_BROKEN_BEHIND_ROLE = re.compile(rf"\s*{_ADDRESS}\s*")
_BROKEN_CHANNEL = re.compile(rf"\s*(?P<channel>{_NAME}){_ADDRESS}\s*")
_BROKEN_TYPE = re.compile(r"\s*(?P<kind>[\w.+/-]{0,32})")
_ENDED_CHANNEL = re.compile(r"\s*(?P<channel>(?!to=)[^\s<]+)?")

_CHANNELS = frozenset(channel.value for channel in Channel)
_NAME_TO_ROLE = {role.value: role for role in Role}


class Part(Enum):
    """Of a header, by the control token that opens it."""

    ROLE = ""
    CHANNEL = "<|channel|>"
    TYPE = _CONSTRAIN


@dataclass(frozen=True, slots=True)
class Header:
    """`bare_word` is a single word that may be a recipient or a content type. `rest` is what is no header: it
    may end within a character.
    """

    role: Role
    name: str | None
    channel: str | None
    recipient: str | None
    content_type: str | None
    bare_word: str | None = None
    rest: bytes = b""
    is_whole: bool = True


class HeaderDraft:
    """`role` is known where a prompt has begun the header."""

    def __init__(self, role: Role | None) -> None:
        self._role = role
        self._parts: list[tuple[Part, bytearray]] = [(Part.ROLE, bytearray())]
        self._opens_twice = False

    def write(self, piece: bytes) -> None:
        self._parts[-1][1].extend(piece)

    def open(self, part: Part) -> None:
        """Of two channels the last one that is named counts, of what else they say all."""
        self._opens_twice = self._opens_twice or any(part is opened for opened, _ in self._parts)
        self._parts.append((part, bytearray()))

    @property
    def is_blank(self) -> bool:
        return len(self._parts) == 1 and not self._parts[0][1].strip()

    def may_go_on(self) -> bool:
        """Whether what stands in the part that is open may still be one."""
        part, content = self._parts[-1]
        if len(content) > _MAX_BYTES:
            return False
        text = _text(content)
        match part:
            case Part.ROLE:
                return self._role_may_go_on(text)
            case Part.CHANNEL:
                return _CHANNEL_MAY_GO_ON.fullmatch(text) is not None
            case Part.TYPE:
                return _TYPE_MAY_GO_ON.fullmatch(text) is not None

    def ended(self) -> Header:
        """At <|message|>: all of it is header."""
        role, name, words = self._role_and_words()
        channel = None
        for part, content in self._parts[1:]:
            text = _text(content)
            if part is Part.CHANNEL:
                found = _find(_ENDED_CHANNEL, text)
                channel = found["channel"] or channel
                words += text[found.end() :].split()
            else:
                first, *others = text.split() or [""]
                words += [_CONSTRAIN + first, *others]
        addresses = [word.removeprefix(_TO) for word in words if word.startswith(_TO)]
        others = [word for word in words if not word.startswith(_TO)]
        is_whole = len(words) <= _MAX_WORDS and len(addresses) <= 1 and not self._opens_twice
        if role is Role.TOOL and name in _CHANNELS:  # the role is missing
            role, name, channel, is_whole = Role.ASSISTANT, None, channel or name, False
        header = Header(role, name, channel, None, others[-1] if others else None, is_whole=is_whole)
        if recipient := next(iter(addresses or others[-2:-1]), None):
            return replace(header, recipient=recipient)
        if others and not others[-1].startswith(_CONSTRAIN):
            return replace(header, content_type=None, bare_word=others[-1])
        return header

    def broken_off(self) -> Header:
        """Without <|message|>: as much of it as can be header is."""
        if len(self._parts) == 1:
            return self._broken_in_role()
        role, name, words = self._role_and_words()
        recipient = next((word.removeprefix(_TO) for word in words if word.startswith(_TO)), None)
        header = Header(role, name, None, recipient, None, is_whole=False)
        for part, content in self._parts[1:]:
            text = content.decode("utf-8", errors=_KEEPING)
            if part is Part.CHANNEL:
                found = _find(_BROKEN_CHANNEL, text)
                recipient = found["address"] or header.recipient
                channel = found["channel"] or header.channel
                header = replace(header, channel=channel, recipient=recipient)
            else:
                found = _find(_BROKEN_TYPE, text)
                header = replace(header, content_type=_CONSTRAIN + found["kind"])
            header = replace(header, rest=text[found.end() :].encode("utf-8", errors=_KEEPING))
        return header

    def _role_may_go_on(self, text: str) -> bool:
        """A role, unless the prompt has said it, and a recipient and a content type."""
        words = text.split()
        is_open = bool(words) and not text[-1].isspace()
        if self._role is None or words[:1] == [self._role.value]:
            words = words[1:]
        elif is_open and len(words) == 1 and self._role.value.startswith(words[0]):
            return True
        if not words:
            return True
        is_address = words[0].startswith(_TO) or (is_open and words == [_TO[: len(words[0])]])
        return is_address and len(words) <= _MAX_WORDS and re.fullmatch(_WORD, words[-1]) is not None

    def _role_and_words(self) -> tuple[Role, str | None, list[str]]:
        """With the words that follow the role. A stranger is a tool, by its name."""
        words = _text(self._parts[0][1]).split()
        if self._role is not None:
            return self._role, None, words[1:] if words[:1] == [self._role.value] else words
        if not words or words[0].startswith(_TO):
            return Role.ASSISTANT, None, words
        role, _, name = words[0].partition(":")
        if role in _NAME_TO_ROLE:
            return _NAME_TO_ROLE[role], name or None, words[1:]
        if role.startswith(Role.ASSISTANT):  # what follows it was meant to stand apart
            return Role.ASSISTANT, None, [words[0].removeprefix(Role.ASSISTANT), *words[1:]]
        return Role.TOOL, words[0], words[1:]

    def _broken_in_role(self) -> Header:
        """Text where a header should be is the assistant's, unless another role is named before it."""
        text = self._parts[0][1].decode("utf-8", errors=_KEEPING)
        found = _find(_BROKEN_BEHIND_ROLE if self._role else _BROKEN_ROLE, text)
        role = Role(found.groupdict().get("role") or Role.ASSISTANT)
        rest = text[found.end() :].encode("utf-8", errors=_KEEPING)
        return Header(role, None, None, found["address"] or None, None, rest=rest, is_whole=False)


def _find(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    """Of a pattern that matches anything, if only its beginning, which is empty."""
    found = pattern.match(text)
    assert found is not None
    return found


def _text(content: bytearray) -> str:
    return content.decode("utf-8", errors="ignore")
