from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WorkerKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WORKER_KIND_UNSPECIFIED: _ClassVar[WorkerKind]
    WORKER_KIND_ATTENTION: _ClassVar[WorkerKind]
    WORKER_KIND_STAGE: _ClassVar[WorkerKind]
    WORKER_KIND_EXPERT: _ClassVar[WorkerKind]

class WorkerState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WORKER_STATE_UNSPECIFIED: _ClassVar[WorkerState]
    WORKER_STATE_STARTING: _ClassVar[WorkerState]
    WORKER_STATE_LOADING: _ClassVar[WorkerState]
    WORKER_STATE_SERVING: _ClassVar[WorkerState]
    WORKER_STATE_DRAINING: _ClassVar[WorkerState]
    WORKER_STATE_LOST: _ClassVar[WorkerState]
WORKER_KIND_UNSPECIFIED: WorkerKind
WORKER_KIND_ATTENTION: WorkerKind
WORKER_KIND_STAGE: WorkerKind
WORKER_KIND_EXPERT: WorkerKind
WORKER_STATE_UNSPECIFIED: WorkerState
WORKER_STATE_STARTING: WorkerState
WORKER_STATE_LOADING: WorkerState
WORKER_STATE_SERVING: WorkerState
WORKER_STATE_DRAINING: WorkerState
WORKER_STATE_LOST: WorkerState

class Worker(_message.Message):
    __slots__ = ("name", "kind", "state", "node", "address", "pid", "hosted_experts", "hosted_bytes", "epoch", "running", "waiting", "model")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    HOSTED_EXPERTS_FIELD_NUMBER: _ClassVar[int]
    HOSTED_BYTES_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: WorkerKind
    state: WorkerState
    node: str
    address: str
    pid: int
    hosted_experts: int
    hosted_bytes: int
    epoch: int
    running: int
    waiting: int
    model: str
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[WorkerKind, str]] = ..., state: _Optional[_Union[WorkerState, str]] = ..., node: _Optional[str] = ..., address: _Optional[str] = ..., pid: _Optional[int] = ..., hosted_experts: _Optional[int] = ..., hosted_bytes: _Optional[int] = ..., epoch: _Optional[int] = ..., running: _Optional[int] = ..., waiting: _Optional[int] = ..., model: _Optional[str] = ...) -> None: ...

class Topology(_message.Message):
    __slots__ = ("epoch", "generation", "controller", "model", "workers", "placement", "imbalance", "workers_lost", "rebalances", "activities", "replicas", "rules")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    CONTROLLER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    IMBALANCE_FIELD_NUMBER: _ClassVar[int]
    WORKERS_LOST_FIELD_NUMBER: _ClassVar[int]
    REBALANCES_FIELD_NUMBER: _ClassVar[int]
    ACTIVITIES_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    generation: int
    controller: str
    model: str
    workers: _containers.RepeatedCompositeFieldContainer[Worker]
    placement: Placement
    imbalance: float
    workers_lost: int
    rebalances: int
    activities: _containers.RepeatedScalarFieldContainer[str]
    replicas: int
    rules: _containers.RepeatedCompositeFieldContainer[ReplicaRule]
    def __init__(self, epoch: _Optional[int] = ..., generation: _Optional[int] = ..., controller: _Optional[str] = ..., model: _Optional[str] = ..., workers: _Optional[_Iterable[_Union[Worker, _Mapping]]] = ..., placement: _Optional[_Union[Placement, _Mapping]] = ..., imbalance: _Optional[float] = ..., workers_lost: _Optional[int] = ..., rebalances: _Optional[int] = ..., activities: _Optional[_Iterable[str]] = ..., replicas: _Optional[int] = ..., rules: _Optional[_Iterable[_Union[ReplicaRule, _Mapping]]] = ...) -> None: ...

class ReplicaRule(_message.Message):
    __slots__ = ("layer", "expert", "replicas")
    LAYER_FIELD_NUMBER: _ClassVar[int]
    EXPERT_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    layer: int
    expert: int
    replicas: int
    def __init__(self, layer: _Optional[int] = ..., expert: _Optional[int] = ..., replicas: _Optional[int] = ...) -> None: ...

class Placement(_message.Message):
    __slots__ = ("workers", "layers")
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    workers: _containers.RepeatedScalarFieldContainer[str]
    layers: _containers.RepeatedCompositeFieldContainer[PlacedLayer]
    def __init__(self, workers: _Optional[_Iterable[str]] = ..., layers: _Optional[_Iterable[_Union[PlacedLayer, _Mapping]]] = ...) -> None: ...

class PlacedLayer(_message.Message):
    __slots__ = ("first", "hosts")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    HOSTS_FIELD_NUMBER: _ClassVar[int]
    first: _containers.RepeatedScalarFieldContainer[int]
    hosts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, first: _Optional[_Iterable[int]] = ..., hosts: _Optional[_Iterable[int]] = ...) -> None: ...

class GetTopologyRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetTopologyResponse(_message.Message):
    __slots__ = ("topology",)
    TOPOLOGY_FIELD_NUMBER: _ClassVar[int]
    topology: Topology
    def __init__(self, topology: _Optional[_Union[Topology, _Mapping]] = ...) -> None: ...

class WatchTopologyRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchTopologyResponse(_message.Message):
    __slots__ = ("topology",)
    TOPOLOGY_FIELD_NUMBER: _ClassVar[int]
    topology: Topology
    def __init__(self, topology: _Optional[_Union[Topology, _Mapping]] = ...) -> None: ...

class AnnounceRequest(_message.Message):
    __slots__ = ("name", "kind", "node", "address", "pid", "incarnation", "model", "epoch", "running", "waiting")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: WorkerKind
    node: str
    address: str
    pid: int
    incarnation: str
    model: str
    epoch: int
    running: int
    waiting: int
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[WorkerKind, str]] = ..., node: _Optional[str] = ..., address: _Optional[str] = ..., pid: _Optional[int] = ..., incarnation: _Optional[str] = ..., model: _Optional[str] = ..., epoch: _Optional[int] = ..., running: _Optional[int] = ..., waiting: _Optional[int] = ...) -> None: ...

class AnnounceResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DrainRequest(_message.Message):
    __slots__ = ("worker", "node")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    worker: str
    node: str
    def __init__(self, worker: _Optional[str] = ..., node: _Optional[str] = ...) -> None: ...

class DrainResponse(_message.Message):
    __slots__ = ("workers",)
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    workers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, workers: _Optional[_Iterable[str]] = ...) -> None: ...

class UndrainRequest(_message.Message):
    __slots__ = ("worker", "node")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    worker: str
    node: str
    def __init__(self, worker: _Optional[str] = ..., node: _Optional[str] = ...) -> None: ...

class UndrainResponse(_message.Message):
    __slots__ = ("workers",)
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    workers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, workers: _Optional[_Iterable[str]] = ...) -> None: ...

class RebalanceRequest(_message.Message):
    __slots__ = ("max_loads",)
    MAX_LOADS_FIELD_NUMBER: _ClassVar[int]
    max_loads: int
    def __init__(self, max_loads: _Optional[int] = ...) -> None: ...

class RebalanceResponse(_message.Message):
    __slots__ = ("loads", "imbalance", "imbalance_before")
    LOADS_FIELD_NUMBER: _ClassVar[int]
    IMBALANCE_FIELD_NUMBER: _ClassVar[int]
    IMBALANCE_BEFORE_FIELD_NUMBER: _ClassVar[int]
    loads: int
    imbalance: float
    imbalance_before: float
    def __init__(self, loads: _Optional[int] = ..., imbalance: _Optional[float] = ..., imbalance_before: _Optional[float] = ...) -> None: ...

class SetReplicationRequest(_message.Message):
    __slots__ = ("replicas", "layer", "expert", "take_back")
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    EXPERT_FIELD_NUMBER: _ClassVar[int]
    TAKE_BACK_FIELD_NUMBER: _ClassVar[int]
    replicas: int
    layer: int
    expert: int
    take_back: bool
    def __init__(self, replicas: _Optional[int] = ..., layer: _Optional[int] = ..., expert: _Optional[int] = ..., take_back: _Optional[bool] = ...) -> None: ...

class SetReplicationResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ScaleRequest(_message.Message):
    __slots__ = ("attention", "experts")
    ATTENTION_FIELD_NUMBER: _ClassVar[int]
    EXPERTS_FIELD_NUMBER: _ClassVar[int]
    attention: int
    experts: int
    def __init__(self, attention: _Optional[int] = ..., experts: _Optional[int] = ...) -> None: ...

class ScaleResponse(_message.Message):
    __slots__ = ("attention", "experts")
    ATTENTION_FIELD_NUMBER: _ClassVar[int]
    EXPERTS_FIELD_NUMBER: _ClassVar[int]
    attention: int
    experts: int
    def __init__(self, attention: _Optional[int] = ..., experts: _Optional[int] = ...) -> None: ...
