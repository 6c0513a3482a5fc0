"""Each step of a move, from a look at the mesh alone."""

from cluster.controller.reconcile import EpochsInUse, differs, loads_needed, retirable, servable
from router.placement import LayerToExperts, Placement

# Two layers of three experts; expert 2 of each is to move from a to c, and b has a replica of all.
BEFORE = Placement(4, ("a", "b", "c"), (((0, 1), (0, 1), (0, 1)), ((0, 1), (0, 1), (0, 1))))
GOAL = Placement(4, ("a", "b", "c"), (((0, 1), (0, 1), (1, 2)), ((0, 1), (0, 1), (1, 2))))
ALL: LayerToExperts = {0: (0, 1, 2), 1: (0, 1, 2)}
FIRST_TWO: LayerToExperts = {0: (0, 1), 1: (0, 1)}
LAST: LayerToExperts = {0: (2,), 1: (2,)}


def test_a_worker_loads_what_it_lacks() -> None:
    assert loads_needed(GOAL, {"a": ALL, "b": ALL, "c": {1: (2,)}}) == {"c": {0: (2,)}}


def test_who_does_not_answer_is_not_told_to_load() -> None:
    assert loads_needed(GOAL, {"a": ALL, "b": ALL}) == {}


def test_who_lacks_nothing_is_left_alone() -> None:
    assert loads_needed(GOAL, {"a": FIRST_TWO, "b": ALL, "c": LAST}) == {}


def test_a_host_is_named_once_it_holds_the_expert() -> None:
    half = servable(GOAL, {"a": ALL, "b": ALL, "c": {1: (2,)}}, 5)
    assert half.epoch == 5
    assert half.experts_of("c") == {1: (2,)}
    assert half.experts_of("a") == FIRST_TWO
    assert half.experts_of("b") == ALL
    whole = servable(GOAL, {"a": ALL, "b": ALL, "c": LAST}, 5)
    assert not differs(whole, GOAL)


def test_until_then_whoever_holds_it_is_asked() -> None:
    alone = Placement(4, ("a", "b", "c"), (((0,), (0,), (2,)),))
    assert servable(alone, {"a": {0: (0, 1, 2)}, "c": {}}, 5).hosts == (((0,), (0,), (0,)),)


def test_an_expert_that_nobody_holds_makes_it_unfit() -> None:
    assert not servable(GOAL, {"a": {0: (0, 1, 2)}, "c": LAST}, 5).is_whole


def test_the_same_hosts_in_another_order_are_no_news() -> None:
    renumbered = Placement(9, ("c", "b", "a"), (((1, 2), (1, 2), (1, 2)), ((1, 2), (1, 2), (1, 2))))
    assert not differs(BEFORE, renumbered)
    assert differs(BEFORE, GOAL)
    assert differs(None, GOAL)


def test_what_nobody_asks_for_any_more_is_let_go() -> None:
    held = {"a": ALL, "b": ALL, "c": LAST}
    assert retirable(GOAL, GOAL, held, EpochsInUse((4, 7))) == {"a": FIRST_TWO}


def test_nothing_is_let_go_that_an_old_epoch_names() -> None:
    held = {"a": ALL, "b": ALL, "c": LAST}
    assert retirable(GOAL, GOAL, held, EpochsInUse((4, 3))) == {}


def test_nothing_is_let_go_that_is_published_or_shall_be() -> None:
    held = {"a": ALL, "b": ALL, "c": LAST}
    assert retirable(GOAL, BEFORE, held, EpochsInUse((4,))) == {}
    assert retirable(BEFORE, BEFORE, held, EpochsInUse()) == {"c": {}}
