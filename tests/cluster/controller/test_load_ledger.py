"""Counts of workers that go on, begin anew, and hold the same experts."""

from cluster.controller.held import Held
from cluster.controller.load_ledger import LoadLedger
from router.expert_loads import LoadCost, even_costs

COST = LoadCost()


def held(tokens: tuple[int, ...], visits: tuple[int, ...], layer: int = 1) -> Held:
    return Held(layer_to_tokens={layer: tokens}, layer_to_visits={layer: visits})


def cost(tokens: int, visits: int) -> float:
    return COST.of_token * tokens + COST.of_activation * visits


def test_before_anything_is_measured_all_experts_are_alike() -> None:
    ledger = LoadLedger(2, 3)
    ledger.take("a", Held())
    assert ledger.costs == even_costs(2, 3)


def test_what_has_come_since_the_last_look_is_added() -> None:
    ledger = LoadLedger(2, 3)
    ledger.take("a", held((5, 0, 2), (3, 0, 1)))
    ledger.take("a", held((9, 0, 2), (4, 0, 1)))
    ledger.take("a", held((9, 0, 2), (4, 0, 1)))
    assert ledger.num_tokens == 11
    assert ledger.costs == [[0.0, 0.0, 0.0], [cost(9, 4), 0.0, cost(2, 1)]]


def test_replicas_add_up() -> None:
    ledger = LoadLedger(2, 3)
    ledger.take("a", held((5, 0, 0), (3, 0, 0)))
    ledger.take("b", held((7, 1, 0), (2, 1, 0)))
    assert ledger.costs[1] == [cost(12, 5), cost(1, 1), 0.0]


def test_a_worker_that_begins_anew_counts_from_nothing() -> None:
    ledger = LoadLedger(2, 3)
    ledger.take("a", held((5, 0, 2), (3, 0, 1)))
    ledger.take("a", held((1, 0, 0), (1, 0, 0)))
    assert ledger.costs[1] == [cost(6, 4), 0.0, cost(2, 1)]


def test_what_was_acted_upon_is_forgotten() -> None:
    ledger = LoadLedger(2, 3)
    ledger.take("a", held((5, 0, 2), (3, 0, 1)))
    ledger.begin_anew()
    ledger.take("a", held((5, 0, 4), (3, 0, 2)))
    assert ledger.num_tokens == 2
    assert ledger.costs[1] == [0.0, 0.0, cost(2, 1)]
