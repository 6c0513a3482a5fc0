"""Workers that are not the expected ones are not asked, and named."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from protos.errors import ExpertsUnreachableError
from router.exchange import Exchange
from tests.router.scripted_mesh import (
    ALL,
    REPLICAS,
    SETTINGS,
    Mesh,
    pump,
    run,
)
from tests.router.scripted_worker import (
    replace_hello,
    wait_for,
)


@pytest.mark.parametrize(
    ("changes", "trouble"),
    [
        ({"worker": "b"}, "is not the worker a, but b"),
        ({"model": "other"}, "serves the model other"),
        ({"arithmetic": "other"}, "computes by 'other'"),
        ({"max_frame_bytes": 1000}, "takes frames of 1000 bytes"),
        ({"credits": 0}, "none at all"),
    ],
)
def test_a_worker_that_is_not_the_expected_one_is_not_asked(
    mesh: Mesh, changes: Mapping[str, str | int], trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    a = mesh.add("a")
    a.hello = replace_hello(a.hello, **changes)
    mesh.add("b")
    exchange = mesh.exchange(None, replace(SETTINGS, recovery_s=0.5))
    exchange.update(mesh.topology(REPLICAS))
    wait_for(lambda: pump(exchange) == {"b"} and "a" in exchange.peers.troubles)
    run(exchange)
    assert not a.seen
    assert trouble in exchange.peers.troubles["a"]
    exchange.update(mesh.topology({"a": ALL}))
    with pytest.raises(ExpertsUnreachableError, match=trouble):
        run(exchange)
    assert caplog.text.count("ERROR") <= 1


def test_without_a_named_arithmetic_the_first_worker_decides(mesh: Mesh) -> None:
    mesh.add("a")
    exchange = Exchange(SETTINGS, model="model")
    exchange.update(mesh.topology({"a": ALL}))
    try:
        wait_for(lambda: pump(exchange) == {"a"})
        b = mesh.add("b")
        b.hello = replace_hello(b.hello, arithmetic="other")
        exchange.update(mesh.topology(REPLICAS))
        wait_for(lambda: pump(exchange) == {"a"} and "b" in exchange.peers.troubles)
    finally:
        exchange.close()
