"""The store in memory: what it keeps, for how long, how much, and that it counts rightly."""

from collections.abc import Callable, Coroutine
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.responses.memory_store import MemoryStore
from gateway.responses.response_settings import ResponseSettings
from gateway.responses.stored_size import item_bytes, response_bytes
from protos.errors import ConfigError, NotFoundError, TooLargeError
from tests.gateway.responses.response_cases import FakeClock, stored, user

T = TypeVar("T")
Ask = Callable[[MemoryStore, str], Coroutine[object, None, object]]


def run(asked: Coroutine[object, None, T]) -> T:
    """Nothing here waits, so there is no need of an event loop."""
    try:
        asked.send(None)
    except StopIteration as done:
        answer: T = done.value
        return answer
    raise AssertionError("it waits for something")


def is_kept(store: MemoryStore, response_id: str) -> bool:
    try:
        run(store.get(response_id))
    except NotFoundError:
        return False
    return True


def test_what_is_put_is_found_with_its_items() -> None:
    store = MemoryStore(ResponseSettings(), FakeClock())
    question, answer = user("msg_q", "Is the sea blue?"), user("msg_a", "Yes.")
    one = stored("resp_1", (question,), answer)
    run(store.put(one))
    assert run(store.get("resp_1")) is one
    assert run(store.item("msg_a")) is answer
    assert one.items == (question, answer)


@pytest.mark.parametrize("ask", [MemoryStore.get, MemoryStore.delete])
def test_what_is_not_kept_is_said_in_words(
    ask: Callable[[MemoryStore, str], Coroutine[object, None, object]],
) -> None:
    store = MemoryStore(ResponseSettings(), FakeClock())
    with pytest.raises(NotFoundError, match=r"no response 'resp_9' here: .*store=false") as caught:
        run(ask(store, "resp_9"))
    assert caught.value.field == "response_id"
    with pytest.raises(NotFoundError, match="no item 'msg_9' here"):
        run(store.item("msg_9"))


def test_each_leaves_when_its_time_is_over() -> None:
    clock = FakeClock(100.0)
    store = MemoryStore(ResponseSettings(keep_s=60.0), clock)
    run(store.put(stored("resp_1", (user("a", "x"),))))
    clock.now = 130.0
    run(store.put(stored("resp_2", (user("b", "x"),))))
    clock.now = 159.0
    assert is_kept(store, "resp_1")
    clock.now = 160.0
    assert not is_kept(store, "resp_1")
    with pytest.raises(NotFoundError):
        run(store.item("a"))
    assert is_kept(store, "resp_2")
    clock.now = 190.0
    assert not is_kept(store, "resp_2")
    assert (len(store), store.num_bytes) == (0, 0)


def test_one_too_many_and_the_oldest_goes() -> None:
    store = MemoryStore(ResponseSettings(max_responses=3), FakeClock())
    for number in range(5):
        run(store.put(stored(f"resp_{number}", (user(f"m{number}", "x"),))))
    assert [number for number in range(5) if is_kept(store, f"resp_{number}")] == [2, 3, 4]


def test_too_many_bytes_and_the_oldest_go() -> None:
    text = "x" * 5000
    ones = [stored(f"resp_{number}", (user(f"m{number}", text),)) for number in range(4)]
    size = item_bytes(ones[0].items[0]) + response_bytes(ones[0].response, 1)
    store = MemoryStore(ResponseSettings(max_bytes=2 * size), FakeClock())
    for one in ones:
        run(store.put(one))
    assert store.num_bytes == 2 * size
    assert [number for number in range(4) if is_kept(store, f"resp_{number}")] == [2, 3]


def test_one_that_never_fits_drives_nobody_out() -> None:
    store = MemoryStore(ResponseSettings(max_bytes=20_000), FakeClock())
    run(store.put(stored("resp_1", (user("a", "x"),))))
    with pytest.raises(TooLargeError, match=r"resp_2 takes 3\d{4} bytes .* may take 20000"):
        run(store.put(stored("resp_2", (user("b", "é" * 15_000),))))
    assert is_kept(store, "resp_1")


def test_items_that_are_shared_stay_until_the_last_one_goes_and_count_once() -> None:
    shared = user("msg_shared", "x" * 100_000)
    store = MemoryStore(ResponseSettings(), FakeClock())
    run(store.put(stored("resp_1", (shared,), user("a", "y"))))
    before = store.num_bytes
    run(store.put(stored("resp_2", (shared, user("a", "y")), user("b", "z"))))
    assert store.num_bytes - before < 5000
    run(store.delete("resp_1"))
    assert run(store.item("msg_shared")) is shared
    run(store.delete("resp_2"))
    assert (len(store), store.num_bytes) == (0, 0)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.lists(st.integers(0, 5), max_size=4, unique=True), st.booleans()),
        max_size=30,
    )
)
def test_the_count_is_that_of_what_is_held(steps: list[tuple[int, list[int], bool]]) -> None:
    clock = FakeClock(0.0)
    store = MemoryStore(ResponseSettings(keep_s=7.0, max_responses=4, max_bytes=30_000), clock)
    alive: dict[str, set[str]] = {}
    for number, (age, items, is_deleted) in enumerate(steps):
        clock.now += age
        context = tuple(user(f"m{item}", "x" * (item * 900)) for item in items)
        one = stored(f"resp_{number}", context)
        run(store.put(one))
        alive[f"resp_{number}"] = {item.item_id for item in context}
        if is_deleted:
            run(store.delete(f"resp_{number}"))
        alive = {name: held for name, held in alive.items() if is_kept(store, name)}
        held = {item for items in alive.values() for item in items}
        size = sum(item_bytes(user(item, "x" * (int(item[1:]) * 900))) for item in held)
        assert len(store) == len(alive) <= 4
        own = sum(response_bytes(run(store.get(name)).response, len(held)) for name, held in alive.items())
        assert store.num_bytes == size + own <= 30_000


def test_settings_that_keep_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="keep_s is 0"):
        ResponseSettings(keep_s=0)
