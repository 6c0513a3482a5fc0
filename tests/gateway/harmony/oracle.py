"""openai-harmony, fed with our values: what it writes and reads is what ours is held to."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openai_harmony

from gateway.harmony.conversation import Content, Message, Role
from gateway.harmony.settings import BuiltInTool, DeveloperSettings, SystemSettings


class Oracle:
    """`folder` holds o200k_base.tiktoken, so that it asks no network."""

    def __init__(self, folder: Path) -> None:
        os.environ["TIKTOKEN_ENCODINGS_BASE"] = str(folder)
        self._harmony: Any = openai_harmony
        self.encoding: Any = openai_harmony.load_harmony_encoding("HarmonyGptOss")

    def for_completion(self, messages: Sequence[Message], *, drop: bool) -> list[int]:
        config = self._harmony.RenderConversationConfig(auto_drop_analysis=drop)
        role = self._harmony.Role.ASSISTANT
        ids = self.encoding.render_conversation_for_completion(self._conversation(messages), role, config)
        return list(ids)

    def for_training(self, messages: Sequence[Message], *, drop: bool) -> list[int]:
        config = self._harmony.RenderConversationConfig(auto_drop_analysis=drop)
        return list(self.encoding.render_conversation_for_training(self._conversation(messages), config))

    def encode(self, text: str) -> list[int]:
        """Text alone."""
        return list(self.encoding.encode(text, disallowed_special=()))

    def encode_with_specials(self, text: str) -> list[int]:
        return list(self.encoding.encode(text, allowed_special="all"))

    def parse(self, token_ids: Sequence[int], role: Role | None) -> list[Message]:
        parser = self._harmony.StreamableParser(self.encoding, role and self._harmony.Role(role.value))
        for token_id in token_ids:
            parser.process(token_id)
        parser.process_eos()
        return [
            Message(
                role=Role(message.author.role.value),
                contents=tuple(content.text for content in message.content),
                name=message.author.name,
                channel=message.channel,
                recipient=message.recipient,
                content_type=message.content_type,
            )
            for message in parser.messages
        ]

    def _conversation(self, messages: Sequence[Message]) -> Any:
        return self._harmony.Conversation.from_messages(list(map(self._message, messages)))

    def _message(self, message: Message) -> Any:
        author = self._harmony.Author(role=self._harmony.Role(message.role.value), name=message.name)
        return self._harmony.Message(
            author=author,
            content=list(map(self._content, message.contents)),
            channel=message.channel,
            recipient=message.recipient,
            content_type=message.content_type,
        )

    def _content(self, content: Content) -> Any:
        match content:
            case SystemSettings():
                return self._system(content)
            case DeveloperSettings():
                return self._developer(content)
            case str():
                return self._harmony.TextContent(text=content)

    def _system(self, settings: SystemSettings) -> Any:
        channels = self._harmony.ChannelConfig(
            valid_channels=list(settings.channels), channel_required=settings.channel_is_required
        )
        written = self._harmony.SystemContent(
            model_identity=settings.identity,
            reasoning_effort=settings.effort
            and self._harmony.ReasoningEffort(settings.effort.value.capitalize()),
            conversation_start_date=settings.current_date,
            knowledge_cutoff=settings.knowledge_cutoff,
            channel_config=channels,
        )
        for tool in settings.built_in_tools:
            config = self._harmony.ToolNamespaceConfig
            written.with_tools(config.browser() if tool is BuiltInTool.BROWSER else config.python())
        return written

    def _developer(self, settings: DeveloperSettings) -> Any:
        assert not settings.response_formats, "it does not write them"
        written = self._harmony.DeveloperContent(instructions=settings.instructions)
        if settings.functions:
            describe = self._harmony.ToolDescription
            written.with_function_tools(
                [
                    describe(name=each.name, description=each.description, parameters=each.parameters)
                    for each in settings.functions
                ]
            )
        return written
