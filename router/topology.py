"""What an attention worker must know of the mesh to dispatch: the placement, and where its workers listen.

The controller publishes it; `RemoteExperts.update` takes it up between two frames.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from router.placement import Placement


@dataclass(frozen=True, slots=True)
class Topology:
    """`addresses` has an entry for each worker of the placement that can be reached: host:port."""

    placement: Placement
    addresses: Mapping[str, str]
