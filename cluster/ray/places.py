"""Where workers' processes run: placement groups that spread those who begin together over nodes.

A group's name lists its workers, so any controller finds each one's place again. A worker that comes back
has its old place. A group is given back when the last of its workers has gone: Ray cannot shrink one.
"""

from collections.abc import Collection, Sequence

from ray.util.placement_group import (
    get_placement_group,
    placement_group,
    placement_group_table,
    remove_placement_group,
)
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

Resources = dict[str, float]
"""By Ray's names: CPU, GPU."""

_IN_VAIN = ("NO_RESOURCES", "INFEASIBLE")


class Places:
    """Of one mesh."""

    def __init__(self, mesh: str) -> None:
        self._prefix = f"{mesh}/"

    def take(self, names: Sequence[str], resources: Resources) -> dict[str, PlacementGroupSchedulingStrategy]:
        """Where each shall run; those that have no place yet get one together."""
        new = [name for name in names if self._group_of(name) is None]
        if new:
            placement_group(
                [resources] * len(new), strategy="SPREAD", name=self._name(new), lifetime="detached"
            )
        return {name: self._place(name) for name in names}

    def lacking(self) -> dict[str, Resources]:
        """What Ray looks for in vain, for each worker and those that began with it together."""
        found: dict[str, Resources] = {}
        for said in placement_group_table().values():
            is_sought = said["state"] == "PENDING" and said["stats"]["scheduling_state"] in _IN_VAIN
            if is_sought and said["name"].startswith(self._prefix):
                bundles: list[Resources] = list(said["bundles"].values())
                together = {kind: sum(bundle[kind] for bundle in bundles) for kind in bundles[0]}
                found |= dict.fromkeys(self._members(said["name"]), together)
        return found

    def give_back(self, there: Collection[str]) -> None:
        """The places of groups of which none of these is a member."""
        for group in self._groups():
            if not set(self._members(group)) & set(there):
                remove_placement_group(get_placement_group(group))

    def _place(self, name: str) -> PlacementGroupSchedulingStrategy:
        group = self._group_of(name)
        assert group is not None, "it was just taken"
        return PlacementGroupSchedulingStrategy(
            get_placement_group(group), placement_group_bundle_index=self._members(group).index(name)
        )

    def _group_of(self, name: str) -> str | None:
        return next((group for group in self._groups() if name in self._members(group)), None)

    def _groups(self) -> list[str]:
        table = placement_group_table()
        names = [said["name"] for said in table.values() if said["state"] != "REMOVED"]
        return [name for name in names if name.startswith(self._prefix)]

    def _name(self, members: Sequence[str]) -> str:
        return self._prefix + ",".join(members)

    def _members(self, group: str) -> list[str]:
        return group.removeprefix(self._prefix).split(",")
