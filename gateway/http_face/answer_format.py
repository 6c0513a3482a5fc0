"""`response_format`: the form that an answer must have, of chats and of completions."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from gateway.http_face.body_check import TAG
from gateway.http_face.body_model import BodyModel
from gateway.http_face.json_text import json_text
from protos.errors import ExpertMeshError
from workers.grammar.spec import GrammarSpec

_KINDS = ("text", "json_object", "json_schema")


class TextFormat(BodyModel):
    type: Literal["text"]


class JsonObjectFormat(BodyModel):
    type: Literal["json_object"]


class JsonSchema(BodyModel):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    description: Annotated[str | None, Field(max_length=16_384)] = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: Annotated[bool | None, Field(description="the answer follows the schema with it and without")] = (
        None
    )


class JsonSchemaFormat(BodyModel):
    type: Literal["json_schema"]
    json_schema: JsonSchema


def _kind(value: object) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    return f"{TAG}{kind}"


ResponseFormat = Annotated[
    Annotated[TextFormat, Tag(f"{TAG}text")]
    | Annotated[JsonObjectFormat, Tag(f"{TAG}json_object")]
    | Annotated[JsonSchemaFormat, Tag(f"{TAG}json_schema")],
    Discriminator(_kind),
]


def grammar_of(wanted: TextFormat | JsonObjectFormat | JsonSchemaFormat | None) -> GrammarSpec | None:
    """Raises InvalidGrammarError about the schema; whether it can be enforced is found later."""
    match wanted:
        case JsonObjectFormat():
            return GrammarSpec.json_object()
        case JsonSchemaFormat():
            schema = wanted.json_schema.schema_
            if schema is None:
                return GrammarSpec.json_object()
            try:
                return GrammarSpec.json_schema(json_text(schema))
            except ExpertMeshError as error:
                raise error.about("response_format.json_schema.schema") from None
        case _:
            return None
