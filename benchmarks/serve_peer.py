"""What a Ray user would pick in place of our gateway: Ray Serve, which streams the same tokens.

    python -m benchmarks.serve_peer

One replica behind Serve's own HTTP and gRPC proxies, each token an event of the same form as ours. It prints
the addresses of both faces, and ends when its input is closed.
"""

import asyncio
import json
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray import serve
from ray.serve.config import HTTPOptions, gRPCOptions
from starlette.requests import Request
from starlette.responses import StreamingResponse

from benchmarks.stream_clients import TOKEN
from protos.gen.v1 import inference_pb2 as pb

ADD_SERVICER = "protos.gen.v1.inference_pb2_grpc.add_InferenceServiceServicer_to_server"
OBJECT_STORE_BYTES = 200 << 20
MOST_STREAMS = 4096


@serve.deployment(max_ongoing_requests=MOST_STREAMS, ray_actor_options={"num_cpus": 0.5})
class Tokens:
    """Answers at once, as our scripted engine does."""

    async def __call__(self, request: Request) -> StreamingResponse:
        body = await request.json()
        return StreamingResponse(self._events(body["max_tokens"]), media_type="text/event-stream")

    async def Chat(self, request: pb.ChatRequest) -> AsyncIterator[pb.ChatResponse]:  # noqa: N802
        for number in range(request.options.max_tokens):
            await asyncio.sleep(0)
            delta = pb.ContentDelta(text=TOKEN, channel=pb.CHANNEL_FINAL, num_tokens=1)
            yield pb.ChatResponse(
                request_id="0123456789abcdef", sequence=number, events=[pb.Event(content_delta=delta)]
            )

    async def _events(self, num_tokens: int) -> AsyncIterator[str]:
        for _ in range(num_tokens):
            await asyncio.sleep(0)
            choice = {"index": 0, "delta": {"content": TOKEN}, "logprobs": None, "finish_reason": None}
            event = {
                "id": "chatcmpl-0123456789abcdef",
                "object": "chat.completion.chunk",
                "created": 1_700_000_000,
                "model": "gpt-oss-20b",
                "choices": [choice],
            }
            yield f"data: {json.dumps(event, separators=(',', ':'))}\n\n"
        yield "data: [DONE]\n\n"


def main() -> int:
    http_port, grpc_port = free_port(), free_port()
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        logging_level=logging.ERROR,
        log_to_driver=False,
    )
    serve.start(
        http_options=HTTPOptions(host="127.0.0.1", port=http_port),
        grpc_options=gRPCOptions(port=grpc_port, grpc_servicer_functions=[ADD_SERVICER]),
    )
    application = Tokens.bind()  # type: ignore[attr-defined] # its decorator is not typed
    serve.run(application, name="default", route_prefix="/v1/chat/completions")
    print(f"127.0.0.1:{http_port} 127.0.0.1:{grpc_port}", flush=True)
    sys.stdin.read()
    serve.shutdown()  # type: ignore[no-untyped-call]
    ray.shutdown()
    return 0


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
