from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class DescribeRequest(_message.Message):
    __slots__ = ("page_size", "tokens_per_step", "max_running", "checkpoint_interval")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_STEP_FIELD_NUMBER: _ClassVar[int]
    MAX_RUNNING_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    tokens_per_step: int
    max_running: int
    checkpoint_interval: int
    def __init__(self, page_size: _Optional[int] = ..., tokens_per_step: _Optional[int] = ..., max_running: _Optional[int] = ..., checkpoint_interval: _Optional[int] = ...) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("worker", "model", "first_layer", "num_layers", "num_pages")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FIRST_LAYER_FIELD_NUMBER: _ClassVar[int]
    NUM_LAYERS_FIELD_NUMBER: _ClassVar[int]
    NUM_PAGES_FIELD_NUMBER: _ClassVar[int]
    worker: str
    model: str
    first_layer: int
    num_layers: int
    num_pages: int
    def __init__(self, worker: _Optional[str] = ..., model: _Optional[str] = ..., first_layer: _Optional[int] = ..., num_layers: _Optional[int] = ..., num_pages: _Optional[int] = ...) -> None: ...

class OpenRequest(_message.Message):
    __slots__ = ("num_pages", "page_size", "row_tile")
    NUM_PAGES_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    ROW_TILE_FIELD_NUMBER: _ClassVar[int]
    num_pages: int
    page_size: int
    row_tile: int
    def __init__(self, num_pages: _Optional[int] = ..., page_size: _Optional[int] = ..., row_tile: _Optional[int] = ...) -> None: ...

class OpenResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: int
    def __init__(self, session: _Optional[int] = ...) -> None: ...
