"""The base of every request body, and the kinds of fields beside those that are obeyed.

Strict: a number in quotes is no number, a key that is not known is an error. Not here: the words of errors
(`body_check`). docs/http.md has tables of these fields, which a test holds against the models.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class BodyModel(BaseModel):
    """Of a body, or of a part of one."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Ignored:
    """A field that may be sent and changes nothing; `why` says that in the documentation."""

    why: str

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "description": f"Ignored: {self.why}"}


@dataclass(frozen=True, slots=True)
class Refused:
    """A field that is known and not served: only these values, which ask for nothing, may stand in it."""

    why: str
    harmless: tuple[object, ...] = ()

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "enum": [None, *self.harmless], "description": f"Refused: {self.why}"}


def marked_fields(model: type[BaseModel], mark: type[Ignored] | type[Refused]) -> Mapping[str, object]:
    """The fields of a model that bear such a mark, and the mark."""
    return dict(_marked(model, mark))


def _marked(model: type[BaseModel], mark: type[Ignored] | type[Refused]) -> Iterator[tuple[str, object]]:
    for name, field in model.model_fields.items():
        for each in field.metadata:
            if isinstance(each, mark):
                yield name, each
