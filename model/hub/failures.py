"""The one border where the errors of huggingface_hub, of its HTTP library and of the disk become ours.

Also here: which of them are worth another attempt. Called by everything in model.hub that leaves the process.
"""

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from model.hub.reference import ModelReference
from model.hub.settings import HubSettings
from protos.errors import (
    DiskSpaceError,
    HubAccessError,
    HubError,
    HubNotFoundError,
    HubUnreachableError,
)

T = TypeVar("T")

# The root of the HTTP library's errors. huggingface_hub changed that library once (httpx, httpx2) under us.
HTTP_ERROR = cast(type[Exception], HfHubHTTPError.__mro__[1])

_STATUS_WORTH_ANOTHER_ATTEMPT = frozenset({408, 429, 500, 502, 503, 504})
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def hub_failures(reference: ModelReference, settings: HubSettings) -> Iterator[None]:
    """Whatever is foreseen to fail in the block comes out as a `HubError`."""
    try:
        yield
    except (HTTP_ERROR, OSError) as error:
        raise _translated(error, reference, settings.address) from error


def persist(
    attempt: Callable[[], T],
    settings: HubSettings,
    note: Callable[[str], None],
    position: Callable[[], int] = lambda: 0,
) -> T:
    """Call `attempt` until the hub answers; an attempt that moved `position` forward costs no patience."""
    num_failures = 0
    while True:
        before = position()
        try:
            return attempt()
        except HubUnreachableError as error:
            num_failures = 1 if position() > before else num_failures + 1
            if num_failures >= settings.num_attempts:
                raise
            wait_s = settings.first_wait_s * 2 ** (num_failures - 1)
            note(f"{error}. Trying again in {wait_s:g} s")
            time.sleep(wait_s)


def _translated(error: Exception, reference: ModelReference, address: str) -> HubError:
    """The order matters: a gated model is also a model not found, and the hub's errors are also OSErrors."""
    match error:
        case GatedRepoError():
            return _refused(reference, address)
        case RevisionNotFoundError():
            return HubNotFoundError(
                f"{reference.repository} at {address} has no revision {reference.revision!r}; "
                f"name a branch, a tag or a full commit"
            )
        case RepositoryNotFoundError():
            return HubNotFoundError(
                f"{address} has no model {reference.repository}, or it is private and the token (HF_TOKEN) "
                f"does not open it; check the spelling and the token"
            )
        case EntryNotFoundError():
            return HubNotFoundError(f"{reference} lists a file that {address} lacks: {_first_line(error)}")
        case HfHubHTTPError():
            return _translated_status(error, reference, address)
        case OSError():
            return _translated_disk(error, reference)
    return HubUnreachableError(
        f"the model hub at {address} did not answer ({type(error).__name__}: {_first_line(error)}); "
        f"check network, proxy and HF_ENDPOINT"
    )


def _translated_status(error: HfHubHTTPError, reference: ModelReference, address: str) -> HubError:
    status = error.response.status_code
    if status in (401, 403):
        return _refused(reference, address)
    if status in _STATUS_WORTH_ANOTHER_ATTEMPT:
        return HubUnreachableError(f"the model hub at {address} answered {status} for {reference}")
    return HubError(f"the model hub at {address} answered {status} for {reference}: {_first_line(error)}")


def _translated_disk(error: OSError, reference: ModelReference) -> HubError:
    if error.errno in _NO_SPACE:
        return DiskSpaceError(f"the disk is full while fetching {reference}: {error}; make room, pull again")
    return HubError(f"cannot store {reference}: {error}")


def _refused(reference: ModelReference, address: str) -> HubAccessError:
    return HubAccessError(
        f"{address} refuses {reference.repository}: it is gated or private, or the token is wrong. Accept "
        f"the licence at {address}/{reference.repository} and set HF_TOKEN to a token of the same account"
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
