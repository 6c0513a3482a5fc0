"""What operators want, remembered as text."""

from dataclasses import replace

import pytest

from cluster.controller.wishes import Wishes
from protos.errors import ConfigError, InvalidRequestError
from router.replication import ReplicaRule, ReplicatedPart
from workers.membership.members import WorkerKind

RULES = (ReplicaRule(ReplicatedPart(layer=4), 2), ReplicaRule(ReplicatedPart(1, 0), 3))
WISHES = Wishes(2, 3, 2, ((0, 1), (2, 3, 4)), ("expert-1",), RULES)


def test_they_come_back_as_they_were() -> None:
    assert Wishes.from_text(WISHES.to_text()) == WISHES


def test_what_an_earlier_release_has_remembered_is_read() -> None:
    text = (
        '{"num_attention": 2, "num_experts": 3, "replicas": 2, "stages": [[0, 1], [2, 3, 4]], '
        '"drained": ["expert-1"]}'
    )
    assert Wishes.from_text(text) == replace(WISHES, rules=())


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"num_attention": 1}'])
def test_what_cannot_be_read_is_said(text: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Wishes.from_text(text)


def test_workers_are_named_by_kind_and_number() -> None:
    kinds = {name: spec.kind for name, spec in WISHES.specs().items()}
    assert kinds == {
        "expert-0": WorkerKind.EXPERT,
        "expert-2": WorkerKind.EXPERT,
        "attention-0": WorkerKind.ATTENTION,
        "attention-0-stage-1": WorkerKind.STAGE,
        "attention-1": WorkerKind.ATTENTION,
        "attention-1-stage-1": WorkerKind.STAGE,
    }


def test_an_attention_worker_knows_its_stages() -> None:
    spec = WISHES.specs()["attention-1"]
    assert (spec.layers, spec.stages) == ((0, 1), ("attention-1-stage-1",))
    assert Wishes().specs()["attention-0"].layers is None


def test_drained_workers_leave_and_may_return() -> None:
    assert WISHES.without(["attention-0", "expert-1"]).drained == ("attention-0", "expert-1")
    assert WISHES.with_again(["expert-1"]).drained == ()


@pytest.mark.parametrize(("attention", "experts", "replicas"), [(0, 2, 1), (1, 0, 1), (1, 2, 0), (1, 2, 3)])
def test_what_cannot_be_is_refused(attention: int, experts: int, replicas: int) -> None:
    with pytest.raises(InvalidRequestError):
        Wishes(attention, experts, replicas)


@pytest.mark.parametrize("replicas", [0, 4])
def test_a_rule_asks_for_no_more_replicas_than_there_are_workers(replicas: int) -> None:
    rule = ReplicaRule(ReplicatedPart(5, 17), replicas)
    with pytest.raises(
        InvalidRequestError, match=f"{replicas} replicas .* of expert 17 of layer 5; .* 1 to 3"
    ):
        Wishes(1, 3, rules=(rule,))
