"""Policies by id and version, in memory, and in a folder if there is one, so that they outlive the process.

A version never changes, and its number is never given again. Not here: the wire, files (`policy_folder`), and
what policies are used for. Of one event loop.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.classify.policy import Policy, PolicyReference
from gateway.classify.policy_folder import PolicyFolder
from protos.errors import CapacityError, NotFoundError


@dataclass(frozen=True, slots=True)
class PolicyLimits:
    """Of one store."""

    max_ids: int = 4096  # those of deleted policies count
    max_versions: int = 256  # of one id
    max_characters: int = 32 << 20  # of all texts together


class PolicyStore:
    """A change is one small file, so an event loop may call it."""

    def __init__(
        self,
        clock: Callable[[], float],
        folder: PolicyFolder | None = None,
        limits: PolicyLimits | None = None,
    ) -> None:
        """`clock` tells Unix time. Reads what the folder has."""
        self._clock = clock
        self._folder = folder
        self._limits = limits or PolicyLimits()
        self._ids: dict[str, dict[int, Policy | None]] = {} if folder is None else folder.read()

    def put(self, policy_id: str, text: str, labels: tuple[str, ...]) -> Policy:
        """-> the new version, or the newest if it is the same already."""
        numbers = self._ids.get(policy_id, {})
        last = max(numbers, default=0)
        policy = Policy(policy_id, last + 1, text, labels, int(self._clock()))
        newest = numbers.get(max(_live(numbers), default=0))
        if newest is not None and (newest.text, newest.labels) == (text, labels):
            return newest
        self._check_room(policy, numbers)
        if self._folder is not None:
            self._folder.write(policy)  # before a client is told that it is there
        self._ids[policy_id] = {**numbers, policy.version: policy}
        self._forget_number(policy_id, last)
        return policy

    def get(self, reference: PolicyReference) -> Policy:
        """Raises NotFoundError."""
        numbers = self._ids.get(reference.policy_id, {})
        live = _live(numbers)
        if not live:
            raise NotFoundError(f"there is no policy {reference.policy_id!r} here").about("policy.id")
        policy = numbers.get(max(live) if reference.version is None else reference.version)
        if policy is None:
            raise NotFoundError(
                f"the policy {reference.policy_id!r} has no version {reference.version}; it has "
                f"{', '.join(map(str, live))}"
            ).about("policy.version")
        return policy

    def all_versions(self) -> Mapping[str, tuple[int, ...]]:
        """By id, in order."""
        return {
            policy_id: live for policy_id, numbers in sorted(self._ids.items()) if (live := _live(numbers))
        }

    def delete(self, reference: PolicyReference) -> None:
        """One version, or all. Raises NotFoundError."""
        policy_id, version = reference.policy_id, self.get(reference).version
        for number in _live(self._ids[policy_id]) if reference.version is None else (version,):
            if self._folder is not None:
                self._folder.forget(policy_id, number)
            self._ids[policy_id][number] = None
            if number < max(self._ids[policy_id]):
                self._forget_number(policy_id, number)

    def _forget_number(self, policy_id: str, number: int) -> None:
        """Of a policy that is gone, once there is a later number."""
        numbers = self._ids[policy_id]
        if number in numbers and numbers[number] is None:
            del numbers[number]
            if self._folder is not None:
                self._folder.remove(policy_id, number)

    def _check_room(self, policy: Policy, numbers: Mapping[int, Policy | None]) -> None:
        limits = self._limits
        if policy.policy_id not in self._ids and len(self._ids) >= limits.max_ids:
            raise CapacityError(
                f"{limits.max_ids} ids of policies have been given, and that is the limit; those of deleted "
                f"ones count, because their versions must not come again"
            )
        if len(_live(numbers)) >= limits.max_versions:
            raise CapacityError(
                f"the policy {policy.policy_id!r} has {limits.max_versions} versions, and that is the limit; "
                f"delete some"
            )
        stored = sum(
            len(each.text) for others in self._ids.values() for each in others.values() if each is not None
        )
        if stored + len(policy.text) > limits.max_characters:
            raise CapacityError(
                f"the policies have {stored} characters together and this one {len(policy.text)}; at most "
                f"{limits.max_characters} are kept, so delete some"
            )


def _live(numbers: Mapping[int, Policy | None]) -> tuple[int, ...]:
    return tuple(number for number, policy in numbers.items() if policy is not None)
