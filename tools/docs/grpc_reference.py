"""The part of docs/api-grpc.md: every service, message and enum, with the comments of the .proto files."""

import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc_tools
from google.protobuf import descriptor_pb2 as pb
from grpc_tools import protoc

from tools.docs.markdown import anchor, one_line, table

FILES = ("inference", "cluster", "attention", "stage", "expert")
"""Clients first, then operators, then what processes of a mesh say to each other."""

_MESSAGES, _ENUMS, _SERVICES, _INNER = 4, 5, 6, 2  # numbers of fields in descriptor.proto
_TYPE_TO_WORD = {
    value: name.removeprefix("TYPE_").lower() for name, value in pb.FieldDescriptorProto.Type.items()
}


def grpc_reference(root: Path) -> str:
    return "\n\n".join(part for file in _parsed(root) for part in _Page(file).parts())


def _parsed(root: Path) -> list[pb.FileDescriptorProto]:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "all.binpb"
        sources = [f"expertmesh/{area}/v1/{area}.proto" for area in FILES]
        well_known = Path(grpc_tools.__file__).with_name("_proto")
        wanted = ["--include_source_info", f"--descriptor_set_out={target}"]
        if protoc.main(["protoc", f"-I{root / 'protos'}", f"-I{well_known}", *wanted, *sources]) != 0:
            sys.exit(f"protoc failed on {', '.join(sources)}; it says above where")
        return list(pb.FileDescriptorSet.FromString(target.read_bytes()).file)


@dataclass(frozen=True, slots=True)
class _Page:
    """One .proto file as Markdown."""

    file: pb.FileDescriptorProto

    def parts(self) -> Iterator[str]:
        yield f"## {self.file.package}"
        for number, service in enumerate(self.file.service):
            yield from self._service(service, (_SERVICES, number))
        for number, message in enumerate(self.file.message_type):
            yield from self._message(message, (_MESSAGES, number))
        for number, enum in enumerate(self.file.enum_type):
            yield from self._enum(enum, (_ENUMS, number))

    def _service(self, service: pb.ServiceDescriptorProto, path: Sequence[int]) -> Iterator[str]:
        yield f"### {self._title(service.name)}"
        yield from self._said(path)
        rows = [
            (
                f"`{method.name}`",
                self._streamed(method.input_type, is_stream=method.client_streaming),
                self._streamed(method.output_type, is_stream=method.server_streaming),
                self._comment((*path, _INNER, number)),
            )
            for number, method in enumerate(service.method)
        ]
        yield table(("method", "request", "answer", ""), rows)

    def _message(self, message: pb.DescriptorProto, path: Sequence[int]) -> Iterator[str]:
        yield f"#### {self._title(message.name)}"
        yield from self._said(path)
        rows = [
            (
                f"`{field.name}`",
                self._type(field, message),
                str(field.number),
                self._comment((*path, _INNER, number)),
            )
            for number, field in enumerate(message.field)
        ]
        yield table(("field", "type", "number", ""), rows) if rows else "It has no fields."

    def _enum(self, enum: pb.EnumDescriptorProto, path: Sequence[int]) -> Iterator[str]:
        yield f"#### {self._title(enum.name)}"
        yield from self._said(path)
        rows = [
            (f"`{value.name}`", str(value.number), self._comment((*path, _INNER, number)))
            for number, value in enumerate(enum.value)
        ]
        yield table(("value", "number", ""), rows)

    def _type(self, field: pb.FieldDescriptorProto, message: pb.DescriptorProto) -> str:
        name = field.type_name.rpartition(".")[2]
        entry = next((each for each in message.nested_type if each.name == name), None)
        if entry is not None:
            return f"map of {self._plain_type(entry.field[0])} to {self._plain_type(entry.field[1])}"
        said = self._plain_type(field)
        if field.label == pb.FieldDescriptorProto.LABEL_REPEATED:
            return f"list of {said}"
        if field.proto3_optional:
            return f"{said}, may be left out"
        if field.HasField("oneof_index"):
            return f"{said}, one of `{message.oneof_decl[field.oneof_index].name}`"
        return said

    def _plain_type(self, field: pb.FieldDescriptorProto) -> str:
        return self._link(field.type_name) if field.type_name else _TYPE_TO_WORD[field.type]

    def _streamed(self, type_name: str, *, is_stream: bool) -> str:
        return f"{'stream of ' if is_stream else ''}{self._link(type_name)}"

    def _link(self, type_name: str) -> str:
        name = type_name.rpartition(".")[2]
        return f"[{name}](#{anchor(self._title(name))})"

    def _title(self, name: str) -> str:
        """Two packages may have one name: only the clients' are as they are."""
        area = self.file.package.split(".")[1]
        return name if area == FILES[0] else f"{area}.{name}"

    def _said(self, path: Sequence[int]) -> Iterator[str]:
        if comment := self._comment(path):
            yield comment

    def _comment(self, path: Sequence[int]) -> str:
        """What stands above it and behind it."""
        found = [each for each in self.file.source_code_info.location if list(each.path) == list(path)]
        said = [text for each in found for text in (each.leading_comments, each.trailing_comments) if text]
        return re.sub(r"(?<!`)<(\w+)>", r"`<\1>`", one_line(" ".join(said)))
