"""What the Python environment must and must not hold before any command runs.

Our top-level package `kernels` shares its name with a PyPI package; whichever is found first would win
silently, so its mere presence is refused (docs/adr/0002-top-level-packages.md).
"""

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
