import pytest

from examples.first_run import room
from examples.first_run.serve_command import Mode


def test_little_memory_is_told_with_what_to_do() -> None:
    assert room.warning(Mode.CLUSTER, 1_500_000_000) == (
        "1.5 GB of memory are free and it takes 2.2, so it may fail: end something, or try MODE=single, "
        "which takes 0.7 GB"
    )
    said = room.warning(Mode.SINGLE, 300_000_000)
    assert said is not None
    assert said.endswith("takes 0.7, so it may fail: end something")


@pytest.mark.parametrize(("mode", "free"), [(Mode.CLUSTER, 2_200_000_000), (Mode.SINGLE, 700_000_000)])
def test_enough_is_enough(mode: Mode, free: int) -> None:
    assert room.warning(mode, free) is None


def test_it_is_asked_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_host_bytes", lambda: 100_000_000)
    said = room.warning(Mode.SINGLE)
    assert said is not None
    assert said.startswith("0.1 GB of memory are free")
