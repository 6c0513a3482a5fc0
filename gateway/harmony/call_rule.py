"""Whether an answer may call, must call, and whom. Not here: what a call looks like (`envelope`)."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.harmony.callable_tool import CallableTool
from protos.errors import InvalidRequestError


@dataclass(frozen=True, slots=True)
class CallRule:
    """`only` is the recipient that is to be called (functions.NAME), where one is named."""

    may_call: bool
    must_call: bool
    only: str | None = None

    @classmethod
    def none(cls) -> "CallRule":
        return cls(may_call=False, must_call=False)

    @classmethod
    def auto(cls) -> "CallRule":
        return cls(may_call=True, must_call=False)

    @classmethod
    def required(cls) -> "CallRule":
        return cls(may_call=True, must_call=True)

    @classmethod
    def named(cls, recipient: str) -> "CallRule":
        return cls(may_call=True, must_call=True, only=recipient)

    def allowed(self, tools: Sequence[CallableTool]) -> list[CallableTool]:
        """Those of the declared ones that may be called."""
        if not self.may_call:
            return []
        allowed = [tool for tool in tools if self.only in (None, tool.recipient)]
        if self.must_call and not allowed:
            declared = ", ".join(tool.recipient for tool in tools) or "no tool"
            wanted = "a tool is required" if self.only is None else f"{self.only!r} is to be called"
            raise InvalidRequestError(
                f"{wanted}, and the request declares {declared}; declare it, or choose another"
            )
        return allowed
