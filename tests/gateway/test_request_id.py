import time

import pytest

from gateway.request_id import new_call_id, request_id_of, time_of


@pytest.mark.parametrize("given", ["a", "x" * 128, "550e8400-e29b-41d4-a716-446655440000", "~!"])
def test_a_fit_id_is_kept(given: str) -> None:
    assert request_id_of(given) == given


@pytest.mark.parametrize("given", [None, "", "x" * 129, "a b", "é", "a\n", "\x7f"])
def test_an_unfit_one_is_replaced(given: str | None) -> None:
    first, second = request_id_of(given), request_id_of(given)
    assert first.startswith("req_")
    assert first != second


def test_a_call_id_tells_its_time() -> None:
    before = int(time.time())
    ids = [new_call_id("cmpl-") for _ in range(100)]
    assert len(set(ids)) == 100
    assert all(before <= time_of(each, "cmpl-") <= int(time.time()) for each in ids)
