"""A whole chat completion, as a client that does not stream gets it."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from gateway.chat.chat_events import ChatFinish
from gateway.chat.chat_result import ChatChoice, ChatResult
from gateway.chat.turns import ToolCall
from gateway.http_face.token_names import TokenNames
from gateway.http_face.usage import UsageAnswer, usage_document
from gateway.request_id import time_of
from model.sampling.sampled_tokens import PositionLogprobs

CALL_PREFIX = "chatcmpl-"
FINISH_TO_REASON = {
    ChatFinish.STOP: "stop",
    ChatFinish.LENGTH: "length",
    ChatFinish.LENGTH_IN_REASONING: "length",
    ChatFinish.TOOL_CALLS: "tool_calls",
}


class FunctionAnswer(BaseModel):
    name: str
    arguments: str


class ToolCallAnswer(BaseModel):
    id: str
    type: str
    function: FunctionAnswer


class MessageAnswer(BaseModel):
    role: str
    content: str | None
    refusal: None
    reasoning: str | None
    reasoning_content: str | None
    tool_calls: list[ToolCallAnswer] | None = None


class TokenAnswer(BaseModel):
    token: str
    logprob: float
    bytes: list[int]


class PositionAnswer(TokenAnswer):
    top_logprobs: list[TokenAnswer]


class LogprobsAnswer(BaseModel):
    content: list[PositionAnswer]
    refusal: None


class ChoiceAnswer(BaseModel):
    index: int
    message: MessageAnswer
    logprobs: LogprobsAnswer | None
    finish_reason: str


class ChatAnswerBody(BaseModel):
    """It describes; answers are made without it."""

    id: str
    object: str
    created: int
    model: str
    choices: list[ChoiceAnswer]
    usage: UsageAnswer


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """What every part of an answer says again."""

    call_id: str
    model: str
    names: TokenNames
    with_logprobs: bool

    @property
    def created(self) -> int:
        return time_of(self.call_id, CALL_PREFIX)


def chat_document(head: AnswerHead, result: ChatResult) -> dict[str, object]:
    assert result.usage is not None, "the answer is whole"
    return {
        "id": head.call_id,
        "object": "chat.completion",
        "created": head.created,
        "model": head.model,
        "choices": [_choice(head, index, choice) for index, choice in enumerate(result.choices)],
        "usage": usage_document(result.usage),
    }


def logprobs_document(names: TokenNames, logprobs: Sequence[PositionLogprobs]) -> dict[str, object]:
    return {
        "content": [
            {**names.entry(position.chosen), "top_logprobs": [names.entry(token) for token in position.top]}
            for position in logprobs
        ],
        "refusal": None,
    }


def _choice(head: AnswerHead, index: int, choice: ChatChoice) -> dict[str, object]:
    assert choice.finish is not None, "an answer without an error has every finish"
    return {
        "index": index,
        "message": _message(choice),
        "logprobs": logprobs_document(head.names, choice.logprobs) if head.with_logprobs else None,
        "finish_reason": FINISH_TO_REASON[choice.finish],
    }


def _message(choice: ChatChoice) -> dict[str, object]:
    """There is no content, rather than an empty one, where the model did not come to it."""
    content = choice.preamble + choice.content
    has_none = choice.finish in (ChatFinish.TOOL_CALLS, ChatFinish.LENGTH_IN_REASONING)
    message: dict[str, object] = {
        "role": "assistant",
        "content": None if has_none and not content else content,
        "refusal": None,
        "reasoning": choice.reasoning or None,
        "reasoning_content": choice.reasoning or None,
    }
    if choice.tool_calls:
        message["tool_calls"] = [_tool_call(call) for call in choice.tool_calls]
    return message


def _tool_call(call: ToolCall) -> dict[str, object]:
    return {
        "id": call.call_id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
