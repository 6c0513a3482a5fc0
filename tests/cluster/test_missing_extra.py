"""What a command says where a package is not installed."""

import pytest

from cluster.missing_extra import missing_extra


@pytest.mark.parametrize(
    ("module", "extra"),
    [("torch", "single"), ("ray", "cluster"), ("grpc", "gateway"), ("google.protobuf", "gateway")],
)
def test_the_extra_that_brings_it_is_named(module: str, extra: str) -> None:
    error = missing_extra(ModuleNotFoundError(f"No module named {module!r}", name=module))
    assert str(error).endswith(f"pip install -c constraints.txt '.[{extra}]'")


def test_a_module_of_ours_is_no_missing_extra() -> None:
    assert missing_extra(ModuleNotFoundError("No module named 'cluster.lost'", name="cluster.lost")) is None
