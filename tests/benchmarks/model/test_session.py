"""Ours and a peer in processes of their own: they agree, they are timed, and what disagrees is not."""

from dataclasses import replace
from itertools import islice

import pytest

from benchmarks.model.peers import TRANSFORMERS
from benchmarks.model.process import CHECKPOINT
from benchmarks.model.session import Session
from benchmarks.model.variants import VARIANTS
from benchmarks.model.workload import Workload
from benchmarks.report import BenchmarkError
from tests.benchmarks.model.small_model import SMALL, write_small


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("session")
    write_small(folder / CHECKPOINT)
    workloads = [Workload.decode(3, num_steps=2), Workload.prefill(20)]
    return Session(folder, SMALL.vocab_size, workloads, num_rounds=1)


def test_first_the_logits_agree_then_come_the_times(session: Session) -> None:
    rows = list(session.against(TRANSFORMERS))
    exact, _, rounded, _, *timed = rows
    assert exact.ours <= 1e-5 < rounded.ours <= 0.08
    assert [row.name for row in timed[:: len(VARIANTS)]] == ["decode, batch 3", "prefill, 20 tokens"]
    assert len(timed) == 2 * len(VARIANTS)
    for row in timed:
        assert row.peer_name == "transformers"
        assert row.peer is not None
        assert row.ratio == row.ours / row.peer > 0
        assert row.goal == 3.0


def test_every_way_of_ours_is_near_the_default(session: Session) -> None:
    rows = list(session.among_ours())
    assert len(rows) == 2 * (len(VARIANTS) - 1)
    assert all(row.met is not False for row in rows)


def test_nothing_is_timed_where_logits_disagree(session: Session) -> None:
    strict = replace(TRANSFORMERS, limits={"transformers": 1e-5})  # which bfloat16 cannot reach
    with pytest.raises(BenchmarkError, match="nothing was timed"):
        next(iter(session.against(strict)))


def test_a_peer_that_is_not_there_has_rows_that_say_so(session: Session) -> None:
    rows = list(islice(session.alone(replace(TRANSFORMERS, name="theirs")), 2))
    assert [(row.peer_name, row.peer, row.goal) for row in rows] == [
        ("theirs, not installed", None, None)
    ] * 2
    assert all(row.ours > 0 for row in rows)
