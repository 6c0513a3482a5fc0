"""The OpenAI Python client, and plain HTTP for what OpenAI does not have."""

from collections.abc import Mapping, Sequence
from typing import Any

from openai import OpenAI

from tests.cluster.served_process import ServedProcess
from tests.end_to_end.heard import MAX_TOKENS, Call, Heard, Message, Tool


class OverHttp:
    """A `Face`."""

    def __init__(self, server: ServedProcess) -> None:
        self._server = server
        self._client = OpenAI(base_url=f"http://{server.http}/v1", api_key="none", max_retries=0)

    def chat(
        self,
        messages: Sequence[Message],
        *,
        effort: str = "medium",
        tools: Sequence[Tool] = (),
        schema: Mapping[str, object] | None = None,
    ) -> Heard:
        options: dict[str, Any] = {"messages": list(messages), "reasoning_effort": effort}
        if tools:
            options["tools"] = [
                {"type": "function", "function": {"name": tool.name, "parameters": tool.parameters}}
                for tool in tools
            ]
        if schema is not None:
            options["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "response", "schema": schema, "strict": True},
            }
        heard = Heard()
        with self._client.chat.completions.create(
            model=self._server.model,
            temperature=0,
            max_completion_tokens=MAX_TOKENS,
            stream=True,
            stream_options={"include_usage": True},
            **options,
        ) as stream:
            for chunk in stream:
                _take(heard, chunk)
        return heard

    def classify(self, policy: str, labels: Sequence[str], content: str) -> tuple[str, str]:
        body = {
            "model": self._server.model,
            "policy": policy,
            "labels": list(labels),
            "input": content,
            "rationale": True,
        }
        status, said = self._server.post("/v1/classify", body)
        assert status == 200, said
        (found,) = said["results"]  # type: ignore[misc]
        return found["label"], found["rationale"]  # type: ignore[has-type]

    def close(self) -> None:
        self._client.close()


def _take(heard: Heard, chunk: Any) -> None:
    if chunk.usage is not None:
        heard.prompt_tokens = chunk.usage.prompt_tokens
        heard.cached_tokens = chunk.usage.prompt_tokens_details.cached_tokens
        heard.output_tokens = chunk.usage.completion_tokens
        heard.reasoning_tokens = chunk.usage.completion_tokens_details.reasoning_tokens
    for choice in chunk.choices:
        reasoning, content = getattr(choice.delta, "reasoning", None), choice.delta.content
        heard.reasoning += reasoning or ""
        heard.content += content or ""
        heard.num_pieces += bool(reasoning or content)
        heard.finish = choice.finish_reason or heard.finish
        for part in choice.delta.tool_calls or ():
            if part.id is not None:
                heard.calls.append(Call(part.id, part.function.name, ""))
            last = heard.calls[-1]
            heard.calls[-1] = Call(last.call_id, last.name, last.arguments + (part.function.arguments or ""))
