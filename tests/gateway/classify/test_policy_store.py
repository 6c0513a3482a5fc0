"""Policies by id and version: what is told is kept, and no version ever means something else."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.classify.policy import Policy, PolicyReference
from gateway.classify.policy_folder import PolicyFolder
from gateway.classify.policy_store import PolicyLimits, PolicyStore
from protos.errors import CapacityError, ConfigError, InvalidRequestError, NotFoundError

LABELS = ("yes", "no")


def store(folder: Path | None = None, limits: PolicyLimits | None = None) -> PolicyStore:
    return PolicyStore(lambda: 1000.75, None if folder is None else PolicyFolder(folder), limits)


Opened = Callable[[], PolicyStore]


@pytest.fixture(params=["memory", "folder"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Opens the store; the one in a folder is another object each time, with the same policies."""
    if request.param == "folder":
        return lambda: store(tmp_path / "policies")
    in_memory = store()
    return lambda: in_memory


def test_versions_stay_what_they_are(opened: Opened) -> None:
    first = opened().put("spam", "No spam. Ü", LABELS)
    assert first == Policy("spam", 1, "No spam. Ü", LABELS, 1000)
    second = opened().put("spam", "No spam at all.", LABELS)
    third = opened().put("spam", "No spam at all.", ())
    assert (second.version, third.version) == (2, 3)
    assert opened().get(PolicyReference("spam")) == third
    assert opened().get(PolicyReference("spam", 1)) == first
    assert opened().get(PolicyReference("spam", 2)) == second


def test_the_same_again_is_no_new_version(opened: Opened) -> None:
    first = opened().put("spam", "No spam.", LABELS)
    assert opened().put("spam", "No spam.", LABELS) == first
    opened().put("spam", "Some spam.", LABELS)
    assert opened().put("spam", "No spam.", LABELS).version == 3, "the newest is another"


def test_a_number_is_never_given_again(opened: Opened) -> None:
    for text in ("one", "two", "three"):
        opened().put("spam", text, LABELS)
    opened().delete(PolicyReference("spam", 3))
    assert opened().get(PolicyReference("spam")).version == 2
    assert opened().put("spam", "four", LABELS).version == 4
    opened().delete(PolicyReference("spam"))
    with pytest.raises(NotFoundError, match="there is no policy 'spam'"):
        opened().get(PolicyReference("spam"))
    assert opened().put("spam", "one", LABELS).version == 5
    assert opened().all_versions() == {"spam": (5,)}


def test_all_that_there_are(opened: Opened) -> None:
    assert opened().all_versions() == {}
    opened().put("b.2", "two", LABELS)
    opened().put("a-1", "one", LABELS)
    opened().put("b.2", "three", LABELS)
    assert list(opened().all_versions().items()) == [("a-1", (1,)), ("b.2", (1, 2))]
    opened().delete(PolicyReference("b.2", 1))
    assert opened().all_versions()["b.2"] == (2,)


def test_what_is_not_there(opened: Opened) -> None:
    opened().put("spam", "one", LABELS)
    opened().put("spam", "two", LABELS)
    with pytest.raises(NotFoundError, match="'spam' has no version 7; it has 1, 2"):
        opened().get(PolicyReference("spam", 7))
    with pytest.raises(NotFoundError):
        opened().delete(PolicyReference("spam", 7))
    with pytest.raises(NotFoundError):
        opened().delete(PolicyReference("ham"))


@pytest.mark.parametrize("policy_id", ["", "../../etc", "a/b", ".hidden", "ü", "a" * 129, "a\n"])
def test_ids_that_are_none(opened: Opened, policy_id: str) -> None:
    with pytest.raises(InvalidRequestError, match="a policy's id is") as caught:
        opened().put(policy_id, "text", LABELS)
    assert caught.value.field == "policy.id"
    with pytest.raises(InvalidRequestError):
        opened().get(PolicyReference(policy_id))
    assert opened().all_versions() == {}


def test_what_is_no_policy(opened: Opened) -> None:
    with pytest.raises(InvalidRequestError, match="the policy is empty"):
        opened().put("spam", " ", LABELS)
    with pytest.raises(InvalidRequestError, match="declared twice"):
        opened().put("spam", "text", ("a", "a"))
    with pytest.raises(InvalidRequestError, match="versions begin at 1"):
        PolicyReference("spam", 0)


def test_limits() -> None:
    limited = store(limits=PolicyLimits(max_ids=2, max_versions=2, max_characters=20))
    limited.put("a", "four", LABELS)
    limited.put("a", "five!", LABELS)
    with pytest.raises(CapacityError, match="'a' has 2 versions"):
        limited.put("a", "six", LABELS)
    limited.delete(PolicyReference("a", 1))
    limited.put("a", "six", LABELS)
    with pytest.raises(CapacityError, match="the policies have 8 characters together and this one 13"):
        limited.put("b", "b" * 13, LABELS)
    limited.put("b", "b", LABELS)
    limited.delete(PolicyReference("b"))
    with pytest.raises(CapacityError, match="2 ids of policies have been given"):
        limited.put("c", "c", LABELS)


def test_few_files_are_left_of_what_is_deleted(tmp_path: Path) -> None:
    for text in ("one", "two", "three", "four"):
        store(tmp_path).put("spam", text, LABELS)
        store(tmp_path).delete(PolicyReference("spam"))
    assert [path.name for path in tmp_path.rglob("*.json")] == ["4.json"]
    assert store(tmp_path).put("spam", "five", LABELS).version == 5
    assert [path.name for path in tmp_path.rglob("*.json")] == ["5.json"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("spam/1.json", "{"),
        ("spam/1.json", '{"policy_id": "spam"}'),
        ("spam/one.json", "{}"),
        ("spam/2.json", '{"policy_id":"spam","version":1,"text":"a","labels":["a","b"],"created_s":1}'),
        (
            "ham/1.json",
            '{"policy_id":"ham","version":1,"text":"a","labels":["a","b"],"created_s":1,"surplus":1}',
        ),
        ("..spam/1.json", "{}"),
    ],
)
def test_a_damaged_folder_is_refused(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match="cannot be read"):
        store(tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    opened = store(tmp_path)
    (tmp_path / "spam").write_text("in the way")
    with pytest.raises(ConfigError, match="cannot be written"):
        opened.put("spam", "text", LABELS)
    assert opened.all_versions() == {}, "what is not on disk is not told"


def test_a_write_that_was_cut_is_not_seen(tmp_path: Path) -> None:
    store(tmp_path).put("spam", "text", LABELS)
    (tmp_path / "spam" / "2.writing").write_text('{"policy_id": "sp')
    assert store(tmp_path).all_versions() == {"spam": (1,)}
