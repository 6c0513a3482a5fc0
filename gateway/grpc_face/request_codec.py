"""What clients ask: messages of inference.proto to TextRequest and ChatRequest, which check what they get.

Not here: how tokens are generated (`options_codec`), and what clients are told (`event_codec`).
"""

from collections.abc import Mapping

from gateway.chat.chat_request import AnswerFormat, ChatRequest, ToolChoice, ToolUse
from gateway.chat.turns import AssistantTurn, InstructionTurn, ToolCall, ToolTurn, Turn, UserTurn
from gateway.grpc_face.options_codec import effort_from_message, grammar_from_message, options_from_message
from gateway.grpc_face.settings import GrpcFaceSettings
from gateway.harmony.settings import FunctionTool
from gateway.text.text_request import TextRequest
from model.strict_json import parse_object
from protos.errors import InvalidRequestError, TooLargeError
from protos.gen.v1 import inference_pb2 as pb

_USES = {
    pb.TOOL_USE_UNSPECIFIED: ToolUse.AUTO,
    pb.TOOL_USE_NONE: ToolUse.NONE,
    pb.TOOL_USE_AUTO: ToolUse.AUTO,
    pb.TOOL_USE_REQUIRED: ToolUse.REQUIRED,
}


def text_request_from_message(message: pb.GenerateRequest, timeout_s: float | None) -> TextRequest:
    match message.WhichOneof("prompt"):
        case "text":
            prompt: str | tuple[int, ...] = message.text
        case "token_ids":
            prompt = tuple(message.token_ids.ids)
        case _:
            raise InvalidRequestError("the prompt is missing; send a text or token ids").about("prompt")
    return TextRequest(
        prompt,
        options_from_message(message.options, timeout_s),
        grammar_from_message(message.grammar) if message.HasField("grammar") else None,
        message.echo,
    )


def chat_request_from_message(
    message: pb.ChatRequest, timeout_s: float | None, settings: GrpcFaceSettings
) -> ChatRequest:
    _check_number("messages", len(message.messages), settings.max_messages)
    _check_number("tools", len(message.tools), settings.max_tools)
    return ChatRequest(
        turns=tuple(_turn(each, index) for index, each in enumerate(message.messages)),
        tools=tuple(_tool(tool, index) for index, tool in enumerate(message.tools)),
        tool_choice=_tool_choice(message.tool_choice),
        answer_format=_format(message.response_format) if message.HasField("response_format") else None,
        effort=effort_from_message(message.reasoning_effort),
        options=options_from_message(message.options, timeout_s),
        is_enveloped=message.enveloped,
    )


def _turn(message: pb.Message, index: int) -> Turn:
    match message.WhichOneof("message"):
        case "instruction":
            return InstructionTurn(message.instruction.text)
        case "user":
            return UserTurn(message.user.text)
        case "assistant":
            said = message.assistant
            calls = (ToolCall(call.call_id, call.name, call.arguments) for call in said.tool_calls)
            return AssistantTurn(said.reasoning, said.content, tuple(calls))
        case "tool":
            return ToolTurn(message.tool.call_id, message.tool.output)
    raise InvalidRequestError(
        f"message {index} is of no kind that this gateway knows; it must be an instruction, or of the user, "
        f"the assistant or a tool"
    ).about(f"messages[{index}]")


def _tool(tool: pb.Tool, index: int) -> FunctionTool:
    parameters: Mapping[str, object] | None = None
    if tool.HasField("parameters"):
        try:
            parameters = parse_object(tool.parameters.encode())
        except ValueError as error:
            raise InvalidRequestError(
                f"the parameters of the tool {tool.name[:80]!r} are no JSON schema: {error}"
            ).about(f"tools[{index}].parameters") from error
    return FunctionTool(tool.name, tool.description, parameters, tool.strict)


def _tool_choice(choice: pb.ToolChoice) -> ToolChoice:
    if choice.use not in _USES:
        raise InvalidRequestError(
            f"the use of tools is {choice.use}, which this gateway does not know"
        ).about("tool_choice.use")
    if not choice.HasField("name"):
        return ToolChoice(_USES[choice.use])
    if choice.use not in (pb.TOOL_USE_UNSPECIFIED, pb.TOOL_USE_REQUIRED):
        raise InvalidRequestError(
            f"the tool {choice.name[:80]!r} must be called and tools need not be; leave `name` or `use` out"
        ).about("tool_choice")
    return ToolChoice(ToolUse.REQUIRED, choice.name)


def _format(message: pb.ResponseFormat) -> AnswerFormat:
    grammar = grammar_from_message(message.grammar)
    description = message.description if message.HasField("description") else None
    if not message.HasField("name"):
        return AnswerFormat(grammar, description=description)
    return AnswerFormat(grammar, message.name, description)


def _check_number(name: str, number: int, limit: int) -> None:
    if number > limit:
        raise TooLargeError(f"{number} {name} are given; at most {limit} are taken").about(name)
