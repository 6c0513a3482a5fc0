"""What an expert worker has told when it was last asked, and the seam through which the controller asks."""

from dataclasses import dataclass, field
from typing import Protocol

from router.placement import LayerToExperts


@dataclass(frozen=True, slots=True)
class Held:
    """What an expert worker has told when it was last asked."""

    layer_to_experts: LayerToExperts = field(default_factory=dict)
    num_bytes: int = 0
    capacity_bytes: int | None = None  # that experts may take; None is as much as there is
    epoch: int = 0  # frames that were planned before are refused there
    layer_to_tokens: dict[int, tuple[int, ...]] = field(default_factory=dict)
    layer_to_visits: dict[int, tuple[int, ...]] = field(default_factory=dict)

    @property
    def num_experts(self) -> int:
        return sum(map(len, self.layer_to_experts.values()))


class Watched(Protocol):
    """An expert worker that is asked again and again: `ExpertWatch`, or one that tests make up."""

    @property
    def address(self) -> str: ...

    @property
    def held(self) -> Held | None:
        """None before the first answer."""
        ...

    @property
    def is_lost(self) -> bool: ...

    @property
    def is_busy(self) -> bool:
        """Whether it carries out an order, or shall not be given the next one yet."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why it has not done what it was told last."""
        ...

    def load(self, layer_to_experts: LayerToExperts) -> None:
        """Order it, and return at once."""
        ...

    def retain(self, epoch: int, layer_to_experts: LayerToExperts) -> None:
        """Order it to let all others go, and to refuse frames that were planned before; return at once."""
        ...

    def close(self) -> None: ...
