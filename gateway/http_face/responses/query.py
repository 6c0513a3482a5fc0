"""The query of a GET on a response: names and values, strictly. Pure."""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from gateway.http_face.endpoint import QueryParameter
from protos.errors import InvalidRequestError

_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


class ResponseQuery:
    """Raises InvalidRequestError about a name that is not among `parameters`, or that stands there twice."""

    def __init__(self, query: bytes, parameters: Sequence[QueryParameter]) -> None:
        known = {parameter.name for parameter in parameters}
        self._values: dict[str, str] = {}
        for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
            name = name.removesuffix("[]")
            if name not in known:
                raise InvalidRequestError(
                    f"the query has the parameter {name[:60]!r}; known here are {', '.join(sorted(known))}"
                ).about(name[:60])
            if name in self._values and name != "include":
                raise InvalidRequestError(f"the query has the parameter {name!r} twice").about(name)
            self._values[name] = value

    def check_absent(self, name: str, why: str) -> None:
        if name in self._values:
            raise InvalidRequestError(f"{name} has no meaning here: {why}").about(name)

    def text(self, name: str) -> str | None:
        return self._values.get(name)

    def truth(self, name: str) -> bool:
        value = self._values.get(name, "false")
        if value.lower() not in _TRUTHS:
            raise InvalidRequestError(f"{name} is {value[:60]!r}; it must be true or false").about(name)
        return _TRUTHS[value.lower()]

    def whole_number(self, name: str, least: int, greatest: int) -> int | None:
        value = self._values.get(name)
        if value is None:
            return None
        if value.isascii() and value.isdecimal() and len(value) < 19 and least <= int(value) <= greatest:
            return int(value)
        raise InvalidRequestError(
            f"{name} is {value[:60]!r}; it must be a whole number from {least} to {greatest}"
        ).about(name)

    def one_of(self, name: str, choices: Mapping[str, bool], default: str) -> bool:
        value = self._values.get(name, default)
        if value not in choices:
            raise InvalidRequestError(f"{name} is {value[:60]!r}; it must be {' or '.join(choices)}").about(
                name
            )
        return choices[value]
