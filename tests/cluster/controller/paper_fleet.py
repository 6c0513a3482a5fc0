"""A fleet that gives no processes: it writes down what it is told."""

from collections.abc import Collection, Mapping

from cluster.controller.fleet import WorkerSpec


class PaperFleet:
    """A `Fleet`."""

    def __init__(self) -> None:
        self.specs: dict[str, WorkerSpec] = {}
        self.remembered: str | None = None
        self.reasons: dict[str, str] = {}

    def names(self) -> Collection[str]:
        return set(self.specs)

    def spawn(self, specs: Collection[WorkerSpec]) -> None:
        self.specs.update({spec.name: spec for spec in specs})

    def stop(self, name: str) -> None:
        del self.specs[name]

    def hindrances(self, names: Collection[str]) -> Mapping[str, str]:
        return {name: reason for name, reason in self.reasons.items() if name in names}

    def recall(self) -> str | None:
        return self.remembered

    def remember(self, text: str) -> None:
        self.remembered = text
