"""What an expert worker has told the controller when it was last asked: plain values."""

from dataclasses import dataclass, field

from router.placement import LayerToExperts


@dataclass(frozen=True, slots=True)
class Held:
    """What an expert worker has told when it was last asked."""

    layer_to_experts: LayerToExperts = field(default_factory=dict)
    num_bytes: int = 0
    epoch: int = 0  # frames that were planned before are refused there
    layer_to_tokens: dict[int, tuple[int, ...]] = field(default_factory=dict)
    layer_to_visits: dict[int, tuple[int, ...]] = field(default_factory=dict)

    @property
    def num_experts(self) -> int:
        return sum(map(len, self.layer_to_experts.values()))
