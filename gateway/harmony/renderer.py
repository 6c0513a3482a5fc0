"""Turns conversations into the tokens that the model is prompted with, or trained on.

Token for token what openai-harmony writes. Text is text: what spells a control token in it does not become
one. Not here: which words the settings become (`system_message`, `developer_message`).
"""

from collections.abc import Sequence

from gateway.harmony.conversation import Content, Message, Role
from gateway.harmony.developer_message import developer_text
from gateway.harmony.history import EarlierReasoning, shown_messages
from gateway.harmony.settings import Channel, DeveloperSettings, SystemSettings
from gateway.harmony.system_message import system_text
from gateway.harmony.vocabulary import HarmonyVocabulary

_EVERYBODY = "all"
_CONSTRAIN = "<|constrain|>"


class HarmonyRenderer:
    """Immutable; any thread may use it."""

    def __init__(
        self, vocabulary: HarmonyVocabulary, earlier: EarlierReasoning = EarlierReasoning.DROPPED
    ) -> None:
        self._encode = vocabulary.tokenizer.encode
        self._marks = vocabulary.marks
        self._earlier = earlier

    def for_completion(self, messages: Sequence[Message], next_role: Role = Role.ASSISTANT) -> list[int]:
        """The prompt after which `next_role` speaks: its message has begun, its header goes on."""
        return [*self.conversation(messages), self._marks.start, *self._encode(next_role.value)]

    def for_training(self, messages: Sequence[Message]) -> list[int]:
        """A final answer at the end ends as the model is to end it."""
        token_ids = self.conversation(messages)
        if messages and messages[-1].role is Role.ASSISTANT and messages[-1].channel == Channel.FINAL:
            token_ids[-1] = self._marks.return_
        return token_ids

    def conversation(self, messages: Sequence[Message]) -> list[int]:
        """Whole messages. A final answer among them has its <|end|>, although the model wrote <|return|>."""
        has_functions = any(map(_declares_functions, messages))
        token_ids: list[int] = []
        for message in shown_messages(messages, self._earlier):
            token_ids += self.message(message, has_functions=has_functions)
        return token_ids

    def message(self, message: Message, *, has_functions: bool = False) -> list[int]:
        """`has_functions` says whether the conversation declares any."""
        token_ids = [self._marks.start, *self._header(message), self._marks.message]
        for content in message.contents:
            token_ids += self._encode(_text_of(content, has_functions))
        is_call = message.role is Role.ASSISTANT and message.recipient is not None
        token_ids.append(self._marks.call if is_call else self._marks.end)
        return token_ids

    def _header(self, message: Message) -> list[int]:
        """Its parts are tokenized one by one."""
        if message.role is Role.TOOL:
            token_ids = self._encode(message.name or "")
        else:
            token_ids = self._encode(message.role.value)
            if message.name is not None:
                token_ids += self._encode(f":{message.name}")
        if message.recipient is not None and message.recipient != _EVERYBODY:
            token_ids += self._encode(f" to={message.recipient}")
        if message.channel is not None:
            token_ids += [self._marks.channel, *self._encode(message.channel)]
        if message.content_type is not None:
            token_ids += self._content_type(message.content_type)
        return token_ids

    def _content_type(self, content_type: str) -> list[int]:
        """The one place where a control token is spelled by name."""
        if not content_type.startswith(_CONSTRAIN):
            return self._encode(f" {content_type}")
        kind = content_type.removeprefix(_CONSTRAIN)
        return [*self._encode(" "), self._marks.constrain, *self._encode(kind)]


def _declares_functions(message: Message) -> bool:
    return any(isinstance(content, DeveloperSettings) and content.functions for content in message.contents)


def _text_of(content: Content, has_functions: bool) -> str:
    match content:
        case SystemSettings():
            return system_text(content, has_functions=has_functions)
        case DeveloperSettings():
            return developer_text(content)
        case str():
            return content
