"""A package that is not installed, in a sentence that names the extra which brings it.

Extras are for kinds of processes, commands for all. Called by the command line, once for every command.
"""

from protos.errors import MissingExtraError

_PACKAGE_TO_EXTRA = {"torch": "single", "triton": "single", "numpy": "single", "ray": "cluster"}
_OTHERS = "gateway"
_OF_GATEWAYS = {"google", "grpc", "grpc_health", "grpc_reflection", "grpc_status", "httptools", "llguidance"}
_OF_GATEWAYS |= {"msgpack", "pydantic", "starlette", "uvicorn", "yaml"}


def missing_extra(error: ModuleNotFoundError) -> MissingExtraError | None:
    """None for a module that is none of our dependencies: then something of ours is wrong."""
    package = (error.name or "").partition(".")[0]
    extra = _OTHERS if package in _OF_GATEWAYS else _PACKAGE_TO_EXTRA.get(package)
    if extra is None:
        return None
    return MissingExtraError(
        f"the package {package} is not installed, and this command needs it; the extra {extra!r} brings it: "
        f"pip install -c constraints.txt '.[{extra}]'"
    )
