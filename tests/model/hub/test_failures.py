"""The border where foreign errors become ours; those that a server causes are in test_hub.py."""

import errno

import pytest

from model.hub.failures import hub_failures
from model.hub.pull import pull
from model.hub.reference import ModelReference
from model.hub.settings import HubSettings
from protos.errors import ConfigError, DiskSpaceError, HubError, HubNotFoundError
from tests.model.hub.hub_server import REPOSITORY, HubServer

MODEL = ModelReference(REPOSITORY)


@pytest.mark.parametrize(
    ("code", "kind", "sentence"),
    [
        (errno.ENOSPC, DiskSpaceError, "disk is full while fetching acme/tiny-oss@main"),
        (errno.EDQUOT, DiskSpaceError, "disk is full"),
        (errno.EACCES, HubError, r"cannot store acme/tiny-oss@main: .*'/models/x'"),
    ],
)
def test_errors_of_the_disk(code: int, kind: type[HubError], sentence: str) -> None:
    with pytest.raises(kind, match=sentence) as failure, hub_failures(MODEL, HubSettings()):
        raise OSError(code, "no", "/models/x")
    assert type(failure.value) is kind


def test_file_that_the_hub_lists_and_lacks(hub: HubServer, settings: HubSettings) -> None:
    hub.troubles.file_refusal = (404, "EntryNotFound")
    with pytest.raises(HubNotFoundError, match=f"lists a file that {hub.addresses[0]} lacks"):
        pull(MODEL, settings=settings)


def test_answer_that_nobody_foresaw_keeps_its_number(hub: HubServer, settings: HubSettings) -> None:
    hub.troubles.file_refusal = (418, "")
    with pytest.raises(HubError, match=r"answered 418 for acme/tiny-oss@1{40}"):
        pull(MODEL, settings=settings)


def test_endpoint_without_a_scheme_is_a_setting_to_mend() -> None:
    with pytest.raises(ConfigError, match="HF_ENDPOINT must start with https"):
        pull(MODEL, settings=HubSettings(endpoint="hub.example.com"))
