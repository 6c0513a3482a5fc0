"""What a Ray user would pick in place of our gateway: Ray Serve that streams the same tokens, over HTTP and gRPC.

    python -m benchmarks.serve_peer

One replica behind Serve's own proxies, each token an event of the same form as ours. It prints the addresses of
both faces, and ends when its input is closed.
"""

import json
import os
import socket
import sys
from collections.abc import AsyncIterator

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray  # noqa: E402
from ray import serve  # noqa: E402
from ray.serve.config import HTTPOptions, gRPCOptions  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import StreamingResponse  # noqa: E402

from benchmarks.stream_clients import TOKEN  # noqa: E402
from protos.gen.v1 import inference_pb2 as pb  # noqa: E402

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
            yield pb.ChatResponse(sequence=number, deltas=[])

    async def _events(self, num_tokens: int) -> AsyncIterator[str]:
        for _ in range(num_tokens):
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
