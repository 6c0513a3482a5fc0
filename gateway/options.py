"""How one wants tokens generated, whatever they are generated for: the part that every kind of request has.

Checked once, never changed. Not here: prompts, messages, grammars (each kind of request has its own).
"""

from dataclasses import dataclass, field

from model.sampling.parameters import SamplingParameters
from workers.engine.request import Priority, StopRules


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """Fields mean what they mean in `workers.engine.request.GenerationRequest`, which checks them."""

    sampling: SamplingParameters = field(default_factory=SamplingParameters)
    max_tokens: int | None = None
    min_tokens: int = 0
    num_choices: int = 1
    stop: StopRules = field(default_factory=StopRules)
    reasoning_budget: int | None = None
    priority: Priority = Priority.NORMAL
    timeout_s: float | None = None
    cache_salt: bytes = b""
