"""What the process needs from its environment before any command runs, and what it must not find there.

The only file that touches environment variables. huggingface_hub reads its own (docs/pull.md).

Our top-level package `kernels` shares its name with a PyPI package; whichever is found first would win
silently, so its mere presence is refused (docs/adr/0002-top-level-packages.md).
"""

import os
from importlib.metadata import PackageNotFoundError, distribution

from protos.errors import EnvironmentConflictError


def refuse_foreign_kernels(distribution_name: str = "kernels") -> None:
    """Raise when the PyPI package `kernels` is installed beside us."""
    try:
        foreign = distribution(distribution_name)
    except PackageNotFoundError:
        return
    raise EnvironmentConflictError(
        f"the PyPI package {distribution_name!r} {foreign.version} is installed in this environment, and its "
        f"import name collides with ExpertMesh's own kernels/ package. Run "
        f"`pip uninstall {distribution_name}`, or install ExpertMesh in an environment of its own."
    )


def let_idle_threads_sleep() -> None:
    """Tell OpenMP, before torch loads it, that threads wait asleep rather than spinning.

    On a machine that has other work to do as well, spinning threads slow each other down: small matmuls took
    ten times as long (docs/log.md). A choice that the operator made stands.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
