"""docs/grpc.md says what is true: its examples are requests, its tables have every method and error."""

import re
from pathlib import Path

import pytest
from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass

from gateway.grpc_face.inference_service import SERVICE
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
