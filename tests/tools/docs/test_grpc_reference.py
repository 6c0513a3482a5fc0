"""docs/api-grpc.md holds every method, field and value that the generated code knows."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from google.protobuf.descriptor import FileDescriptor

from protos.gen.v1 import attention_pb2, cluster_pb2, expert_pb2, inference_pb2, stage_pb2

PAGE = (Path(__file__).parents[3] / "docs/api-grpc.md").read_text()
MODULES = [inference_pb2, cluster_pb2, attention_pb2, stage_pb2, expert_pb2]


def section(heading: str) -> str:
    """What stands under it, up to the next one."""
    (found,) = re.findall(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def first_cells(text: str) -> list[str]:
    return re.findall(r"^\| `(\w+)` ", text, re.MULTILINE)


def expected(file: FileDescriptor) -> Iterator[tuple[str, list[str]]]:
    area = file.package.split(".")[1]
    prefix = "" if area == "inference" else f"{area}."
    for service in file.services_by_name.values():
        yield prefix + service.name, [method.name for method in service.methods]
    for message in file.message_types_by_name.values():
        yield prefix + message.name, [field.name for field in message.fields]
    for enum in file.enum_types_by_name.values():
        yield prefix + enum.name, [value.name for value in enum.values]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_everything_of_a_package_is_there(module: ModuleType) -> None:
    found = list(expected(module.DESCRIPTOR))
    assert found
    assert [(heading, first_cells(section(heading))) for heading, _ in found] == found


def test_comments_come_along() -> None:
    assert "| `max_tokens` | uint32, may be left out | 2 | absent: up to the context limit |" in PAGE
    assert "Nothing more comes of this choice." in section("ChoiceEnded")
    assert "| `logit_bias` | map of uint32 to double | 8 |" in section("SamplingParameters")
    assert "| `json_schema` | string, one of `grammar` | 1 | as JSON text |" in section("Grammar")
    assert "| `Chat` | [ChatRequest](#chatrequest) | stream of [ChatResponse](#chatresponse) |" in PAGE
