"""What the lines say; that they work against a server is tested in tests/end_to_end."""

import json
import shlex

from examples.first_run import to_paste
from examples.first_run.ports import USUAL, Ports

OTHER = Ports(9000, 9001, 9700)


def test_the_usual_ports_need_not_be_said() -> None:
    assert to_paste.chat_line("bin/expertmesh", USUAL) == "bin/expertmesh chat --temperature 0"
    assert to_paste.status_line("bin/expertmesh", USUAL) == "bin/expertmesh status"


def test_other_ports_are_said() -> None:
    assert to_paste.chat_line("expertmesh", OTHER).endswith(" --url http://127.0.0.1:9000")
    assert to_paste.status_line("expertmesh", OTHER) == "expertmesh status --address 127.0.0.1:9700"


def test_a_shell_hands_the_body_on_whole() -> None:
    message = {"role": "user", "content": "What is 2 + 3?"}
    *_, url, _, header, _, body = shlex.split(to_paste.curl_line("it's", OTHER))
    assert (url, header) == (
        "http://127.0.0.1:9000/v1/chat/completions",
        "content-type: application/json",
    )
    assert json.loads(body) == {"model": "it's", "messages": [message], "temperature": 0}
    *_, body, address, method = shlex.split(to_paste.grpcurl_line(OTHER))
    assert (address, method) == ("127.0.0.1:9001", "expertmesh.inference.v1.InferenceService/ChatUnary")
    asked = {"messages": [{"user": {"text": "What is 2 + 3?"}}], "options": {"sampling": {"temperature": 0}}}
    assert json.loads(body) == {"request": asked}
