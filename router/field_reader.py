"""The fields of a frame, one after the other, each of the type that it must have.

Not here: what a frame is (`router.frame`), and what its fields mean (whoever reads them).
"""

from collections.abc import Sequence

from protos.errors import MalformedFrameError
from router.frame import Frame, FrameKind


class FieldReader:
    """Raises MalformedFrameError where a frame has another kind, or other fields."""

    def __init__(self, frame: Frame, kind: FrameKind) -> None:
        if frame.kind is not kind:
            raise MalformedFrameError(f"a {frame.kind.name} frame has come where it must be a {kind.name}")
        self._frame = frame
        self._fields = iter(frame.fields)

    def text(self) -> str:
        value = next(self._fields, None)
        if type(value) is not str:
            raise self._wrong(value, "a text")
        return value

    def natural(self) -> int:
        value = next(self._fields, None)
        if type(value) is not int or value < 0:
            raise self._wrong(value, "a number from 0")
        return value

    def optional_natural(self) -> int | None:
        value = next(self._fields, self)
        if value is not None and (type(value) is not int or value < 0):
            raise self._wrong(value, "a number from 0, or none")
        return value

    def last_naturals(self, count: int) -> Sequence[int]:
        """All fields that are left, and as many."""
        values = []
        for value in self._fields:
            if type(value) is not int or value < 0:
                raise self._wrong(value, "a number from 0")
            values.append(value)
        if len(values) < count:
            raise self._wrong(None, "a number from 0")
        if len(values) > count:
            raise self._too_many(len(values) - count)
        return values

    def end(self) -> None:
        if rest := list(self._fields):
            raise self._too_many(len(rest))

    def _too_many(self, count: int) -> MalformedFrameError:
        return MalformedFrameError(f"a {self._frame.kind.name} frame has {count} fields too many")

    def _wrong(self, value: object, expected: str) -> MalformedFrameError:
        return MalformedFrameError(
            f"a {self._frame.kind.name} frame has {value!r:.50} where it must have {expected}"
        )
