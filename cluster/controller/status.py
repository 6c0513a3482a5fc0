"""How every worker stands, in one line each: what `expertmesh status` shows and gateways go by.

Pure: made anew each tick from all that the controller knows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from cluster.controller.fleet import WorkerSpec
from cluster.controller.held import Watched
from router.placement import Placement
from workers.membership.members import Announcement, WorkerKind, WorkerState, WorkerStatus

_KIND_ORDER = (WorkerKind.ATTENTION, WorkerKind.STAGE, WorkerKind.EXPERT)


@dataclass(frozen=True, slots=True)
class Known:
    """All that there is to go by."""

    specs: Mapping[str, WorkerSpec]
    announced: Mapping[str, tuple[Announcement, float]]  # and when
    watches: Mapping[str, Watched]
    published: Placement | None
    hindrances: Mapping[str, str] = field(default_factory=dict)  # why workers that are missing do not come

    def activities(self, trouble: str | None, drained: Collection[str]) -> tuple[str, ...]:
        """What is being done, and what is waited for."""
        lines = [] if trouble is None else [trouble]
        for name, watch in sorted(self.watches.items()):
            if watch.is_lost:
                lines.append(f"{name} does not answer")
            elif watch.trouble is not None:
                lines.append(f"{name}: {watch.trouble}")
            elif watch.is_busy:
                lines.append(f"{name} loads experts, or lets some go")
        missing = sorted(name for name in self.specs if name not in self.announced)
        if missing:
            lines.append(f"waiting for {', '.join(missing)}")
        for reason in dict.fromkeys(reason for _, reason in sorted(self.hindrances.items())):
            names = ", ".join(sorted(name for name, its in self.hindrances.items() if its == reason))
            lines.append(f"{names} cannot begin: {reason}")
        if drained:
            lines.append(f"drained until they may come back: {', '.join(drained)}")
        models = {said.model: name for name, (said, _) in self.announced.items()}
        if len(models) > 1:
            names = " and ".join(sorted(models.values()))
            lines.append(f"{names} have different models; `expertmesh verify` says whose is damaged")
        return tuple(lines)


def statuses(known: Known, spawned: Collection[str], silent_before: float) -> tuple[WorkerStatus, ...]:
    """Of those that shall be there, and those that have not left yet; attention workers first."""
    names = {*known.specs, *(name for name in spawned if name in known.announced)}
    found = [_status(known, name, silent_before) for name in names]
    return tuple(sorted(found, key=lambda each: (_KIND_ORDER.index(each.kind), _natural(each.name))))


def _status(known: Known, name: str, silent_before: float) -> WorkerStatus:
    announced = known.announced.get(name)
    if announced is None:
        return WorkerStatus(name, known.specs[name].kind, WorkerState.STARTING)
    said, at = announced
    watch = known.watches.get(name)
    held = None if watch is None else watch.held
    return WorkerStatus(
        name=name,
        kind=said.kind,
        state=_state(known, said, at >= silent_before),
        node=said.node,
        address=said.address,
        pid=said.pid,
        num_experts=0 if held is None else held.num_experts,
        num_bytes=0 if held is None else held.num_bytes,
        epoch=said.epoch,
        num_running=said.num_running,
        num_waiting=said.num_waiting,
        model=said.model,
    )


def _state(known: Known, said: Announcement, is_heard: bool) -> WorkerState:
    watch = known.watches.get(said.name)
    is_lost = not is_heard if watch is None else watch.is_lost
    if is_lost:
        return WorkerState.LOST
    if said.name not in known.specs:
        return WorkerState.DRAINING
    if watch is not None:
        has_some = watch.held is not None and watch.held.num_experts
        return WorkerState.SERVING if has_some else WorkerState.LOADING
    return WorkerState.LOADING if said.epoch is None else WorkerState.SERVING


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """expert-2 comes before expert-10."""
    return tuple((int(part), "") if part.isdigit() else (0, part) for part in name.split("-"))
