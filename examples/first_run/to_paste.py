"""Lines for the person at the terminal: each works when it is pasted while the server runs."""

import json
import shlex
from collections.abc import Mapping

from examples.first_run.ports import USUAL, Ports

QUESTION = "What is 2 + 3?"
METHOD = "expertmesh.inference.v1.InferenceService/ChatUnary"


def chat_line(program: str, ports: Ports) -> str:
    where = "" if ports.http == USUAL.http else f" --url http://{ports.http_address}"
    return f"{program} chat --temperature 0{where}"


def status_line(program: str, ports: Ports) -> str:
    is_usual = ports.controller == USUAL.controller
    return f"{program} status" + ("" if is_usual else f" --address {ports.controller_address}")


def curl_line(model: str, ports: Ports) -> str:
    body = {"model": model, "messages": [{"role": "user", "content": QUESTION}], "temperature": 0}
    url = f"http://{ports.http_address}/v1/chat/completions"
    return f"curl -s {url} -H 'content-type: application/json' -d {_quoted(body)}"


def grpcurl_line(ports: Ports) -> str:
    greedy = {"sampling": {"temperature": 0}}
    body = {"request": {"messages": [{"user": {"text": QUESTION}}], "options": greedy}}
    return f"grpcurl -plaintext -d {_quoted(body)} {ports.grpc_address} {METHOD}"


def _quoted(body: Mapping[str, object]) -> str:
    return shlex.quote(json.dumps(body))
