"""Responses and their items as OpenAI's clients read them, with every field that those expect.

Pure. Not here: the events of a stream (`events`), and what clients send (`body`).
"""

from collections.abc import Sequence

from gateway.chat.chat_request import ToolUse
from gateway.harmony.settings import FunctionTool
from gateway.http_face.token_names import TokenNames
from gateway.responses.items import CallItem, CallOutputItem, Item, MessageItem, Phase, ReasoningItem, Speaker
from gateway.responses.response import Response, ResponseStatus
from gateway.responses.response_request import FormatKind, TextFormat, ToolSelection
from model.sampling.sampled_tokens import PositionLogprobs
from workers.engine.events import Usage

Json = dict[str, object]


def response_json(response: Response, names: TokenNames) -> Json:
    request, labels = response.request, response.request.labels
    return {
        "id": response.response_id,
        "object": "response",
        "created_at": response.created_at,
        "completed_at": response.ended_at if response.status is ResponseStatus.COMPLETED else None,
        "status": response.status.value,
        "background": request.is_background,
        "error": _failure(response),
        "incomplete_details": _incomplete_details(response),
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": labels.max_tool_calls,
        "model": request.model,
        "output": [item_json(item, names) for item in response.output],
        "parallel_tool_calls": request.parallel_tool_calls,
        "previous_response_id": request.previous_response_id,
        "prompt_cache_key": labels.prompt_cache_key,
        "reasoning": {"effort": request.effort.value, "summary": labels.reasoning_summary},
        "safety_identifier": labels.safety_identifier,
        "service_tier": "default",
        "store": request.is_stored,
        "temperature": request.sampling.temperature,
        "text": {"format": _format(request.text_format), "verbosity": "medium"},
        "tool_choice": _tool_choice(request.tool_selection),
        "tools": [_tool(tool) for tool in request.tools],
        "top_logprobs": request.sampling.logprobs or 0,
        "top_p": request.sampling.top_p,
        "truncation": "disabled",
        "usage": None if response.usage is None else _usage(response.usage),
        "user": labels.user,
        "metadata": dict(labels.metadata),
    }


def item_json(item: Item, names: TokenNames) -> Json:
    common: Json = {"id": item.item_id, "status": item.status.value}
    match item:
        case MessageItem():
            phase = {"phase": item.phase.value} if isinstance(item.phase, Phase) else {}
            content = _content(item, names)
            return {**common, "type": "message", "role": item.speaker.value, "content": content, **phase}
        case ReasoningItem():
            content = [reasoning_part(item.text)] if item.text else []
            return {
                **common,
                "type": "reasoning",
                "summary": [],
                "content": content,
                "encrypted_content": None,
            }
        case CallItem():
            called = {"call_id": item.call_id, "name": item.name, "arguments": item.arguments}
            return {**common, "type": "function_call", **called}
        case CallOutputItem():
            return {
                **common,
                "type": "function_call_output",
                "call_id": item.call_id,
                "output": item.output,
            }


def text_part(text: str, logprobs: Sequence[PositionLogprobs], names: TokenNames) -> Json:
    return {
        "type": "output_text",
        "text": text,
        "annotations": [],
        "logprobs": logprobs_json(logprobs, names),
    }


def reasoning_part(text: str) -> Json:
    return {"type": "reasoning_text", "text": text}


def logprobs_json(logprobs: Sequence[PositionLogprobs], names: TokenNames) -> list[Json]:
    return [
        {
            **names.entry(position.chosen),
            "top_logprobs": [names.entry(each) for each in position.top],
        }
        for position in logprobs
    ]


def _content(item: MessageItem, names: TokenNames) -> list[Json]:
    if item.speaker is Speaker.ASSISTANT:
        return [text_part(text, item.logprobs, names) for text in item.texts]
    return [{"type": "input_text", "text": text} for text in item.texts]


def _failure(response: Response) -> Json | None:
    failure = response.failure
    return None if failure is None else {"code": failure.code.value, "message": failure.message}


def _incomplete_details(response: Response) -> Json | None:
    return {"reason": "max_output_tokens"} if response.status is ResponseStatus.INCOMPLETE else None


def _usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.output_tokens,
    }


def _tool(function: FunctionTool) -> Json:
    parameters = None if function.parameters is None else dict(function.parameters)
    return {
        "type": "function",
        "name": function.name,
        "description": function.description or None,
        "parameters": parameters,
        "strict": function.is_strict,
    }


def _tool_choice(selection: ToolSelection) -> str | Json:
    choice = selection.choice
    mode = {ToolUse.NONE: "none", ToolUse.AUTO: "auto", ToolUse.REQUIRED: "required"}[choice.use]
    if selection.allowed is not None:
        tools = [{"type": "function", "name": name} for name in selection.allowed]
        return {"type": "allowed_tools", "mode": mode, "tools": tools}
    return mode if choice.name is None else {"type": "function", "name": choice.name}


def _format(text_format: TextFormat) -> Json:
    if text_format.kind is not FormatKind.JSON_SCHEMA:
        return {"type": text_format.kind.value}
    return {
        "type": "json_schema",
        "name": text_format.name,
        "description": text_format.description,
        "schema": dict(text_format.schema),
        "strict": text_format.is_strict,
    }
