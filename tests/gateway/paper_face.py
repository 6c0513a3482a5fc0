"""A face that nobody reaches: it notes what becomes of it; a test says when its clients were told all."""

import asyncio
from dataclasses import dataclass, field

from protos.errors import ConfigError


@dataclass
class PaperFace:
    """A `Face`."""

    name: str
    notes: list[str]
    refusal: ConfigError | None = None
    told: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def address(self) -> str:
        return f"{self.name}:1"

    async def start(self) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.notes.append(f"{self.name} starts")

    async def drain(self, timeout_s: float) -> bool:
        self.notes.append(f"{self.name} drains")
        try:
            async with asyncio.timeout(timeout_s):
                return await self.told.wait()
        except TimeoutError:
            return False

    async def aclose(self) -> None:
        self.notes.append(f"{self.name} closes")
