"""What clients are told of an error: its own words, or, where these are for the operator, where to find them.

All faces ask here, for statuses and for terminal events. Not here: how an error is written on a wire.
"""

import logging

from protos.errors import ExpertMeshError, InternalError

logger = logging.getLogger(__name__)


def told(error: Exception, request_id: str, doing: str) -> ExpertMeshError:
    """The error itself if its words may go out; else one that says where the log has them.

    `doing` is for the log: what was being done.
    """
    if not isinstance(error, ExpertMeshError):
        logger.error("the request %s: %s broke", request_id, doing, exc_info=error)
        return _hidden(request_id)
    if not is_for_clients(error):
        logger.error("the request %s: %s failed: %s: %s", request_id, doing, type(error).__name__, error)
        return _hidden(request_id)
    return error


def is_for_clients(error: ExpertMeshError) -> bool:
    """An operator's business stays in the log: paths, names of files, what is wrong with a checkpoint."""
    return error.http_status != InternalError.http_status or isinstance(error, InternalError)


def _hidden(request_id: str) -> InternalError:
    return InternalError(
        f"something failed inside this gateway; its log has the details under the request id {request_id}"
    )
