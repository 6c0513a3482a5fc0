"""Policies on disk, one file a version: ID/VERSION.json.

Where the last version is deleted an empty object stays, so that its number is not given again. One process
owns the folder. Called by `policy_store` alone.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path

from gateway.classify.policy import Policy, PolicyReference
from model.strict_json import parse_object
from protos.errors import ConfigError, ExpertMeshError

_SUFFIX = ".json"


class PolicyFolder:
    """Writes a file as a whole, or not at all. Raises ConfigError where the folder cannot be used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> dict[str, dict[int, Policy | None]]:
        """All numbers of each id, in order; None for one whose policy is gone."""
        found: dict[str, dict[int, Policy | None]] = {}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for path in self._folder.glob(f"*/*{_SUFFIX}"):
                reference = PolicyReference(path.parent.name, int(path.stem))
                found.setdefault(reference.policy_id, {})[int(path.stem)] = _read(path)
        except (OSError, ValueError, TypeError, ExpertMeshError) as error:
            raise ConfigError(
                f"the policies in {self._folder} cannot be read: {error}; repair the folder, or name another"
            ) from error
        return {policy_id: dict(sorted(numbers.items())) for policy_id, numbers in found.items()}

    def write(self, policy: Policy) -> None:
        self._write(policy.policy_id, policy.version, asdict(policy))

    def forget(self, policy_id: str, version: int) -> None:
        """The policy; its number stays."""
        self._write(policy_id, version, {})

    def remove(self, policy_id: str, version: int) -> None:
        """The policy and its number, of which there is a later one."""
        try:
            self._path(policy_id, version).unlink(missing_ok=True)
        except OSError as error:
            raise self._refusal(error) from error

    def _write(self, policy_id: str, version: int, document: object) -> None:
        path = self._path(policy_id, version)
        beside = path.with_suffix(".writing")
        try:
            path.parent.mkdir(exist_ok=True)
            with beside.open("w", encoding="utf-8") as file:
                json.dump(document, file, ensure_ascii=False)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError as error:
            raise self._refusal(error) from error

    def _path(self, policy_id: str, version: int) -> Path:
        return self._folder / policy_id / f"{version}{_SUFFIX}"

    def _refusal(self, error: OSError) -> ConfigError:
        return ConfigError(f"policies cannot be written to {self._folder}: {error.strerror}; give it room")


def _read(path: Path) -> Policy | None:
    parsed = parse_object(path.read_bytes())
    if not parsed:
        return None
    labels = parsed.pop("labels", None)
    if not isinstance(labels, list):
        raise ValueError(f"{path} has no labels")
    policy = Policy(**parsed, labels=tuple(labels))  # type: ignore[arg-type] # it checks them
    if (policy.policy_id, str(policy.version)) != (path.parent.name, path.stem):
        raise ValueError(f"{path} holds version {policy.version} of {policy.policy_id!r}")
    return policy
