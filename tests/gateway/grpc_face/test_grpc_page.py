"""docs/grpc.md says what is true: its examples are requests, its tables have every method and error."""

import re
from pathlib import Path

import pytest
from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass

from gateway.calls.call_settings import CallSettings
from gateway.classify.classify_request import MAX_CONTENTS
from gateway.classify.policy import MAX_LABELS
from gateway.grpc_face.inference_service import SERVICE
from gateway.grpc_face.settings import GrpcFaceSettings
from protos import errors
from protos.gen.v1 import inference_pb2 as pb

PAGE = (Path(__file__).parents[3] / "docs/grpc.md").read_text()
EXAMPLES = re.findall(r"\$SERVICE/(\w+) -d '(\{[^']*\})'", PAGE)


@pytest.mark.parametrize(("method", "request_"), EXAMPLES)
def test_an_example_is_a_request(method: str, request_: str) -> None:
    """A field that is not there would be an error of the parser."""
    kind = GetMessageClass(SERVICE.methods_by_name[method].input_type)
    parsed = json_format.Parse(request_, kind())
    assert bool(parsed.ByteSize()) == (request_ != "{}")


def test_every_method_has_an_example_and_a_line() -> None:
    names = {method.name for method in SERVICE.methods}
    assert {method for method, _ in EXAMPLES} == names
    table = PAGE.partition("| method |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", table)) == names


def test_every_event_has_a_line() -> None:
    table = PAGE.partition("| event |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([a-z]\w+)`", table))
    assert named == {field.json_name for field in pb.Event.DESCRIPTOR.fields}


def test_errors_have_the_status_that_the_table_says() -> None:
    table = PAGE.partition("| status |")[2].partition("\n\n")[0]
    rows = [row.split(" | ") for row in table.splitlines() if row.startswith("| `")]
    assert len(rows) > 10
    for code, reasons, _ in rows:
        for name in re.findall(r"`(\w+Error)`", reasons):
            assert f"| `{getattr(errors, name).grpc_code.name}`" == code, name


def test_limits_are_what_the_page_says() -> None:
    calls, face = CallSettings(), GrpcFaceSettings()
    assert f"more than {calls.max_unread:,} events" in PAGE
    assert f"has more than {calls.max_events:,} ends" in PAGE
    assert f"more than {calls.max_kept_events:,} events (or are more than {calls.max_kept:,})" in PAGE
    assert f"for {calls.resume_s:g} s without a reader" in PAGE
    assert calls.keep_ended_s == 300, "the page says five minutes"
    assert f"the request has more than {face.max_request_bytes >> 20} MiB" in PAGE
    assert f"within {face.request_s:g} s of the call's beginning" in PAGE
    assert f"Up to {MAX_LABELS} labels and {MAX_CONTENTS} contents" in PAGE
