"""InferenceService through its generated stubs."""

import json
from collections.abc import Iterator, Mapping, Sequence

import grpc

from protos.gen.v1 import inference_pb2 as pb
from protos.gen.v1 import inference_pb2_grpc
from tests.cluster.served_process import WITHIN_S, ServedProcess
from tests.end_to_end.heard import MAX_TOKENS, Call, Heard, Message, Tool

_FINISH = "FINISH_REASON_"


class OverGrpc:
    """A `Face`."""

    def __init__(self, server: ServedProcess) -> None:
        self._channel = grpc.insecure_channel(server.grpc)
        self._stub = inference_pb2_grpc.InferenceServiceStub(self._channel)

    def chat(
        self,
        messages: Sequence[Message],
        *,
        effort: str = "medium",
        tools: Sequence[Tool] = (),
        schema: Mapping[str, object] | None = None,
    ) -> Heard:
        request = pb.ChatRequest(
            messages=[_message(each) for each in messages],
            tools=[pb.Tool(name=tool.name, parameters=json.dumps(tool.parameters)) for tool in tools],
            reasoning_effort=f"REASONING_EFFORT_{effort.upper()}",
        )
        request.options.sampling.temperature = 0.0
        request.options.max_tokens = MAX_TOKENS
        if schema is not None:
            request.response_format.grammar.json_schema = json.dumps(schema)
            request.response_format.name = "response"
        heard = Heard()
        for event in self._events(request):
            _take(heard, event)
        return heard

    def classify(self, policy: str, labels: Sequence[str], content: str) -> tuple[str, str]:
        said = self._stub.Classify(
            pb.ClassifyRequest(policy_text=policy, labels=labels, contents=[content], rationale=True),
            timeout=WITHIN_S,
        )
        (found,) = said.classifications
        return found.label, found.rationale

    def close(self) -> None:
        self._channel.close()

    def _events(self, request: pb.ChatRequest) -> Iterator[pb.Event]:
        for response in self._stub.Chat(request, timeout=WITHIN_S):
            yield from response.events


def _message(message: Message) -> pb.Message:
    text = message["content"]
    assert text is None or isinstance(text, str)
    match message["role"]:
        case "user":
            return pb.Message(user=pb.UserMessage(text=text or ""))
        case "tool":
            return pb.Message(tool=pb.ToolMessage(call_id=str(message["tool_call_id"]), output=text or ""))
        case _:
            calls = [
                pb.ToolCall(call_id=each["id"], **each["function"])
                for each in message.get("tool_calls", ())  # type: ignore[attr-defined]
            ]
            reasoning = message.get("reasoning")
            assert reasoning is None or isinstance(reasoning, str)
            said = pb.AssistantMessage(reasoning=reasoning, content=text, tool_calls=calls)
            return pb.Message(assistant=said)


def _take(heard: Heard, event: pb.Event) -> None:
    match event.WhichOneof("event"):
        case "reasoning_delta":
            heard.reasoning += event.reasoning_delta.text
            heard.num_pieces += 1
        case "content_delta":
            heard.content += event.content_delta.text
            heard.num_pieces += 1
        case "tool_call_began":
            heard.calls.append(Call(event.tool_call_began.call_id, event.tool_call_began.name, ""))
        case "tool_arguments_delta":
            last = heard.calls[-1]
            heard.calls[-1] = Call(last.call_id, last.name, last.arguments + event.tool_arguments_delta.text)
        case "choice_ended":
            name = pb.FinishReason.Name(event.choice_ended.finish)
            heard.finish = name.removeprefix(_FINISH).lower()
        case "request_ended":
            usage = event.request_ended.usage
            heard.prompt_tokens, heard.cached_tokens = usage.prompt_tokens, usage.cached_tokens
            heard.output_tokens, heard.reasoning_tokens = usage.output_tokens, usage.reasoning_tokens
