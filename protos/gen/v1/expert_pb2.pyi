from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LayerExperts(_message.Message):
    __slots__ = ("layer", "experts")
    LAYER_FIELD_NUMBER: _ClassVar[int]
    EXPERTS_FIELD_NUMBER: _ClassVar[int]
    layer: int
    experts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, layer: _Optional[int] = ..., experts: _Optional[_Iterable[int]] = ...) -> None: ...

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("worker", "model", "arithmetic", "epoch", "hosted", "hosted_bytes", "capacity_bytes", "loads")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ARITHMETIC_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    HOSTED_FIELD_NUMBER: _ClassVar[int]
    HOSTED_BYTES_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_BYTES_FIELD_NUMBER: _ClassVar[int]
    LOADS_FIELD_NUMBER: _ClassVar[int]
    worker: str
    model: str
    arithmetic: str
    epoch: int
    hosted: _containers.RepeatedCompositeFieldContainer[LayerExperts]
    hosted_bytes: int
    capacity_bytes: int
    loads: _containers.RepeatedCompositeFieldContainer[LayerLoads]
    def __init__(self, worker: _Optional[str] = ..., model: _Optional[str] = ..., arithmetic: _Optional[str] = ..., epoch: _Optional[int] = ..., hosted: _Optional[_Iterable[_Union[LayerExperts, _Mapping]]] = ..., hosted_bytes: _Optional[int] = ..., capacity_bytes: _Optional[int] = ..., loads: _Optional[_Iterable[_Union[LayerLoads, _Mapping]]] = ...) -> None: ...

class LayerLoads(_message.Message):
    __slots__ = ("layer", "tokens", "visits")
    LAYER_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    VISITS_FIELD_NUMBER: _ClassVar[int]
    layer: int
    tokens: _containers.RepeatedScalarFieldContainer[int]
    visits: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, layer: _Optional[int] = ..., tokens: _Optional[_Iterable[int]] = ..., visits: _Optional[_Iterable[int]] = ...) -> None: ...

class LoadRequest(_message.Message):
    __slots__ = ("experts",)
    EXPERTS_FIELD_NUMBER: _ClassVar[int]
    experts: _containers.RepeatedCompositeFieldContainer[LayerExperts]
    def __init__(self, experts: _Optional[_Iterable[_Union[LayerExperts, _Mapping]]] = ...) -> None: ...

class LoadResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RetainRequest(_message.Message):
    __slots__ = ("epoch", "experts")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    EXPERTS_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    experts: _containers.RepeatedCompositeFieldContainer[LayerExperts]
    def __init__(self, epoch: _Optional[int] = ..., experts: _Optional[_Iterable[_Union[LayerExperts, _Mapping]]] = ...) -> None: ...

class RetainResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
