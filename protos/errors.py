"""The one error tree of ExpertMesh. Every floor raises from it; the gateway maps it to gRPC and HTTP once.

It is not a wire format and imports nothing: the codes are the numbers that gRPC uses.

    ExpertMeshError
    ├── InvalidRequestError        INVALID_ARGUMENT    400  the caller changes the request
    │   ├── NoTokenLeftError           a grammar's mask allows no token
    │   ├── InvalidGrammarError        a grammar or schema that cannot be enforced; the message says where
    │   ├── TooLargeError              INVALID_ARGUMENT    413  the caller sends less
    │   ├── WrongMethodError           INVALID_ARGUMENT    405  the caller takes another HTTP method
    │   ├── MediaTypeError             INVALID_ARGUMENT    415  the caller sends JSON
    │   └── SlowSenderError            INVALID_ARGUMENT    408  the caller sends faster
    ├── NotFoundError              NOT_FOUND           404  the caller names something that is there
    │   └── CallNotKeptError           a call, or its beginning, that is not kept
    ├── ConflictError              ALREADY_EXISTS      409  the caller takes another id or key
    ├── NotReadyError              UNAVAILABLE         503  retry on another gateway, or later
    ├── InternalError              INTERNAL            500  the operator looks into the log
    ├── BrokenLogitsError          INTERNAL            500  the operator looks for a damaged checkpoint
    ├── ConfigError                FAILED_PRECONDITION 500  the operator changes a file or a flag
    │   ├── EnvironmentConflictError   a package is installed that cannot live beside us
    │   ├── AddressTakenError          a server cannot listen where it was told to
    │   ├── MissingExtraError          a package is not installed; the message names the extra that brings it
    │   └── DoesNotFitError            the model needs more memory or more workers than there are
    ├── CheckpointError            FAILED_PRECONDITION 500  the operator repairs the model folder
    │   ├── CorruptFileError           a file is cut short or is not safetensors
    │   ├── TensorMissingError         the layout wants a tensor that no file holds
    │   ├── TensorSurplusError         a file holds a tensor that the layout does not know
    │   ├── TensorMismatchError        wrong shape or wrong dtype
    │   ├── TensorValueError           a value that no healthy checkpoint holds (a NaN scale)
    │   └── TokenizerError             tokenizer.json or generation_config.json is absent, damaged or not ours
    ├── HubError                   FAILED_PRECONDITION 500  the operator corrects name, token or folder
    │   ├── HubUnreachableError        UNAVAILABLE     503  retry later, or use offline mode
    │   ├── HubAccessError             a token is missing, or the model's licence is not accepted
    │   ├── HubNotFoundError           no such model, revision or file
    │   ├── HubOfflineError            offline mode, and the model is not whole on this machine
    │   ├── UnsupportedModelError      the hub has it, and ExpertMesh cannot serve it
    │   ├── DamagedModelError          a file is missing, or is not what the hub published
    │   └── DiskSpaceError             the model does not fit on the disk
    ├── CapacityError              RESOURCE_EXHAUSTED  429  retry when load has gone down
    │   └── SlowReaderError            whoever reads reads too slowly, and is cut off
    ├── FrameError                 FAILED_PRECONDITION 500  the operator runs one release on every worker
    │   ├── MalformedFrameError        it says what cannot be
    │   ├── TruncatedFrameError        it ends too early
    │   ├── OversizedFrameError        it is longer than the receiver takes
    │   ├── FrameVersionError          sender and receiver are of different releases
    │   ├── FrameChecksumError         its bytes are not those that were sent
    │   ├── StaleEpochError            it was planned by a placement that is gone; the router plans it again
    │   └── ExpertNotHereError         it asks a worker for an expert of another; the router plans it again
    ├── WorkerMismatchError        FAILED_PRECONDITION 500  the operator makes all workers alike
    ├── ExpertsUnreachableError    UNAVAILABLE         503  retry on another worker
    ├── StageLostError             UNAVAILABLE         503  retry on another worker
    ├── RequestCancelledError      CANCELLED           499  nobody: the caller asked for it
    ├── DeadlineExpiredError       DEADLINE_EXCEEDED   504  retry with more time, or when load has gone down
    ├── EngineStoppedError         UNAVAILABLE         503  retry on another worker
    ├── AttentionUnreachableError  UNAVAILABLE         503  retry when an attention worker is back
    ├── ControllerUnreachableError UNAVAILABLE         503  retry when the controller is back
    └── GatewayUnreachableError    UNAVAILABLE         503  retry when a gateway is back, or name another
"""

from enum import IntEnum, StrEnum
from typing import ClassVar, Self


class GrpcCode(IntEnum):
    """The gRPC status codes that we use, by their numbers on the wire."""

    CANCELLED = 1
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    INTERNAL = 13
    UNAVAILABLE = 14


class RecoveredBy(StrEnum):
    """Who can make the failed thing work."""

    CALLER = "caller"
    OPERATOR = "operator"
    SYSTEM = "system"


class ExpertMeshError(Exception):
    """A foreseen failure; its message says what failed, the value, the limit and what to change."""

    grpc_code: ClassVar[GrpcCode] = GrpcCode.INTERNAL
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    recovered_by: ClassVar[RecoveredBy] = RecoveredBy.OPERATOR
    retry_after_s: float | None = None
    """A hint, of an error that is retryable."""
    field: str | None = None
    """Of the request, where one of its fields is to blame."""

    def about(self, field: str) -> Self:
        """The same, with the field that is to blame."""
        self.field = field
        return self


class InvalidRequestError(ExpertMeshError):
    """The request asks for something that no server could do."""

    grpc_code = GrpcCode.INVALID_ARGUMENT
    http_status = 400
    recovered_by = RecoveredBy.CALLER


class NoTokenLeftError(InvalidRequestError):
    """The mask allows no token. Without `rows` the step may be sampled again."""

    rows: tuple[int, ...] = ()  # none where it came from another process, with its message

    def __init__(self, rows: tuple[int, ...]) -> None:
        super().__init__(rows)
        self.rows = rows

    def __str__(self) -> str:
        if not self.rows:
            return super().__str__()
        return (
            f"the mask of rows {list(self.rows)} allows no token that the model can give; at least one must "
            f"be left, so change the grammar that made the mask"
        )


class InvalidGrammarError(InvalidRequestError):
    """A grammar, regular expression or JSON schema is malformed, too large, or beyond what we can enforce."""


class TooLargeError(InvalidRequestError):
    """A body, a message or a list is longer than is taken."""

    http_status = 413


class WrongMethodError(InvalidRequestError):
    """The address is known, and not for this HTTP method."""

    http_status = 405


class MediaTypeError(InvalidRequestError):
    """The body is of a type that is not read."""

    http_status = 415


class SlowSenderError(InvalidRequestError):
    """The request did not come in whole in the time that there is for it."""

    http_status = 408


class NotFoundError(ExpertMeshError):
    """What the caller names is not here: a model, a response, a policy."""

    grpc_code = GrpcCode.NOT_FOUND
    http_status = 404
    recovered_by = RecoveredBy.CALLER


class CallNotKeptError(NotFoundError):
    """The call is not known here, or its events are not kept as far back as is asked for."""


class ConflictError(ExpertMeshError):
    """The id or the key is in use for something else."""

    grpc_code = GrpcCode.ALREADY_EXISTS
    http_status = 409
    recovered_by = RecoveredBy.CALLER


class NotReadyError(ExpertMeshError):
    """This gateway does not take requests: it begins, it drains, or it reaches no engine."""

    grpc_code = GrpcCode.UNAVAILABLE
    http_status = 503
    retryable = True
    recovered_by = RecoveredBy.SYSTEM


class InternalError(ExpertMeshError):
    """A fault of ours. The caller gets these words, the log the rest."""


class BrokenLogitsError(ExpertMeshError):
    """The model gave NaN, +inf or nothing above −inf. Without `rows` the step may be sampled again."""

    rows: tuple[int, ...] = ()  # none where it came from another process, with its message

    def __init__(self, rows: tuple[int, ...]) -> None:
        super().__init__(rows)
        self.rows = rows

    def __str__(self) -> str:
        if not self.rows:
            return super().__str__()
        return (
            f"the logits of rows {list(self.rows)} hold NaN or +inf, or nothing above -inf, so no token was "
            f"sampled; look for a damaged checkpoint or an overflow in the forward pass"
        )


class ConfigError(ExpertMeshError):
    """A configuration file or flag says something that we do not understand or cannot obey."""

    grpc_code = GrpcCode.FAILED_PRECONDITION


class EnvironmentConflictError(ConfigError):
    """The Python environment holds something that cannot live beside us."""


class AddressTakenError(ConfigError):
    """A port is taken, or an address is not of this machine, so a server cannot listen there."""


class MissingExtraError(ConfigError):
    """The command needs a package that this installation of ExpertMesh was made without."""


class DoesNotFitError(ConfigError):
    """The model, as it is wanted, needs more memory or more workers than there are."""


class CheckpointError(ExpertMeshError):
    """A model folder is not what its config.json promises."""

    grpc_code = GrpcCode.FAILED_PRECONDITION


class CorruptFileError(CheckpointError):
    """A weight file is cut short or is not safetensors."""


class TensorMissingError(CheckpointError):
    """The layout wants a tensor that no file holds."""


class TensorSurplusError(CheckpointError):
    """A file holds a tensor that the layout does not know."""


class TensorMismatchError(CheckpointError):
    """A tensor has another shape or dtype than the configuration implies."""


class TensorValueError(CheckpointError):
    """A tensor holds a value that no healthy checkpoint holds."""


class TokenizerError(CheckpointError):
    """The folder's tokenizer.json or generation_config.json is not one that we can serve text with."""


class HubError(ExpertMeshError):
    """The model hub answered, and the answer is not a usable model."""

    grpc_code = GrpcCode.FAILED_PRECONDITION


class HubUnreachableError(HubError):
    """The model hub did not answer."""

    grpc_code = GrpcCode.UNAVAILABLE
    http_status = 503
    retryable = True


class HubAccessError(HubError):
    """The model hub knows the model and does not give it to us."""


class HubNotFoundError(HubError):
    """The model hub knows no such model, revision or file."""


class HubOfflineError(HubError):
    """Offline mode forbids asking the hub, and the model is not whole on this machine."""


class UnsupportedModelError(HubError):
    """The hub has the model, and it is not a checkpoint that ExpertMesh serves."""


class DamagedModelError(HubError):
    """A file on disk is missing, or is not byte for byte what the hub published; pulling again repairs it."""


class DiskSpaceError(HubError):
    """The model does not fit on the disk."""


class CapacityError(ExpertMeshError):
    """A bounded resource is full."""

    grpc_code = GrpcCode.RESOURCE_EXHAUSTED
    http_status = 429
    retryable = True
    recovered_by = RecoveredBy.SYSTEM


class SlowReaderError(CapacityError):
    """More waits for this reader than is kept for any."""


class FrameError(ExpertMeshError):
    """A data frame is not what two workers have agreed on; it is refused, and the worker goes on."""

    grpc_code = GrpcCode.FAILED_PRECONDITION


class MalformedFrameError(FrameError):
    """The frame says something that cannot be: a field, a length, an index."""


class TruncatedFrameError(FrameError):
    """The frame ends before it should."""


class OversizedFrameError(FrameError):
    """The frame is longer than the receiver takes."""


class FrameVersionError(FrameError):
    """The frame is of another version of the wire."""


class FrameChecksumError(FrameError):
    """The bytes that came are not those that were sent."""


class StaleEpochError(FrameError):
    """The frame was planned by a placement that is gone."""


class ExpertNotHereError(FrameError):
    """The frame asks for an expert that this worker does not host."""


class WorkerMismatchError(ExpertMeshError):
    """Two workers would not compute the same: another model, or another arithmetic."""

    grpc_code = GrpcCode.FAILED_PRECONDITION


class ExpertsUnreachableError(ExpertMeshError):
    """No worker that hosts an expert has answered in time."""

    grpc_code = GrpcCode.UNAVAILABLE
    http_status = 503
    retryable = True
    recovered_by = RecoveredBy.SYSTEM


class StageLostError(ExpertMeshError):
    """A stage has gone, and with it the keys and values of every sequence that ran through it."""

    grpc_code = GrpcCode.UNAVAILABLE
    http_status = 503
    retryable = True
    recovered_by = RecoveredBy.SYSTEM


class RequestCancelledError(ExpertMeshError):
    """The caller asked to end the request, or has gone."""

    grpc_code = GrpcCode.CANCELLED
    http_status = 499
    recovered_by = RecoveredBy.CALLER


class DeadlineExpiredError(ExpertMeshError):
    """The request did not end in the time that it was given."""

    grpc_code = GrpcCode.DEADLINE_EXCEEDED
    http_status = 504
    retryable = True
    recovered_by = RecoveredBy.CALLER


class EngineStoppedError(ExpertMeshError):
    """The engine was stopped, or broke; another one can do the request."""

    grpc_code = GrpcCode.UNAVAILABLE
    http_status = 503
    retryable = True
    recovered_by = RecoveredBy.SYSTEM


class AttentionUnreachableError(ExpertMeshError):
    """No attention worker can be reached, or the one that had a request is lost."""

    grpc_code = GrpcCode.UNAVAILABLE
    http_status = 503
    retryable = True
    recovered_by = RecoveredBy.SYSTEM


class ControllerUnreachableError(ExpertMeshError):
    """No controller answers at this address; the mesh may well serve without it."""

    grpc_code = GrpcCode.UNAVAILABLE
    http_status = 503
    retryable = True


class GatewayUnreachableError(ExpertMeshError):
    """No gateway answers at this address, or it broke off."""

    grpc_code = GrpcCode.UNAVAILABLE
    http_status = 503
    retryable = True
