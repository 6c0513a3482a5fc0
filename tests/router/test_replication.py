"""How many hosts each expert shall have: what is said of more and of fewer of them together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos.errors import InvalidRequestError
from router.replication import ReplicaRule, ReplicatedPart, Replication
from tests.router.hosts import replications

LAYERS, EXPERTS = 3, 4


def test_the_largest_number_holds() -> None:
    rules = (
        ReplicaRule(ReplicatedPart(expert=1), 3),
        ReplicaRule(ReplicatedPart(layer=2), 4),
        ReplicaRule(ReplicatedPart(0, 3), 5),
        ReplicaRule(ReplicatedPart(1, 0), 1),
    )
    assert Replication(2, rules).least_hosts(LAYERS, EXPERTS) == [[2, 3, 2, 5], [2, 3, 2, 2], [4, 4, 4, 4]]


@given(replications(LAYERS, EXPERTS, every=2), st.integers(1, 5))
def test_with_fewer_workers_nothing_asks_for_more(replication: Replication, most: int) -> None:
    before = replication.least_hosts(LAYERS, EXPERTS)
    after = replication.limited(most).least_hosts(LAYERS, EXPERTS)
    assert after == [[min(most, number) for number in layer] for layer in before]


@given(replications(LAYERS, EXPERTS, every=1), st.integers(1, 9))
def test_a_rule_is_in_place_of_the_one_before_and_is_taken_back_alone(
    replication: Replication, replicas: int
) -> None:
    part = ReplicatedPart(1, 2)
    said = replication.with_rule(ReplicaRule(part, replicas))
    assert said.with_rule(ReplicaRule(part, replicas)) == said
    assert [rule.replicas for rule in said.rules if rule.part == part] == [replicas]
    others = {rule for rule in replication.rules if rule.part != part}
    assert set(said.without(part).rules) == others


def test_rules_are_in_one_order() -> None:
    parts = [ReplicatedPart(expert=2), ReplicatedPart(layer=0), ReplicatedPart(0, 1), ReplicatedPart(layer=2)]
    for order in (parts, parts[::-1]):
        said = Replication()
        for part in order:
            said = said.with_rule(ReplicaRule(part, 2))
        assert [rule.part for rule in said.rules] == parts


def test_what_was_not_said_cannot_be_taken_back() -> None:
    said = Replication(1, (ReplicaRule(ReplicatedPart(5, 17), 3),))
    with pytest.raises(
        InvalidRequestError,
        match="no rule about every expert of layer 5; there is 3 replicas of expert 17 of la",
    ):
        said.without(ReplicatedPart(layer=5))


def test_a_rule_is_about_something() -> None:
    with pytest.raises(InvalidRequestError, match="none is named"):
        ReplicatedPart()
