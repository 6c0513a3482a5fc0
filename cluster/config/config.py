"""What an operator may decide, as frozen dataclasses with their defaults: the keys of the configuration file.

The descriptions are the documentation: docs/config.md is held against them. Values are checked when an object
is made, here or from the file. Not here: reading the file (`config_file`), environment variables
(`cluster.environment`), and what is made of the values. Parsed once, then passed down by composition.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from protos.errors import ConfigError
from workers.engine.settings import DraftSettings, EngineSettings

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

Device = Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?)$")]
Count = Annotated[int, Field(ge=1)]
Amount = Annotated[float, Field(gt=0)]
Port = Annotated[int, Field(ge=0, le=65_535)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]

DEFAULT_TOKENS_PER_STEP = EngineSettings().tokens_per_step


@dataclass(frozen=True, slots=True, config=_STRICT)
class EngineConfig:
    """The engine of single mode, and of every attention worker; its arithmetic is that of the experts too."""

    device: Annotated[
        Device | None, Field(description="cpu, cuda or cuda:1; empty: a GPU if there is one")
    ] = None
    dtype: Annotated[
        Literal["float32", "bfloat16"] | None,
        Field(description="of activations; empty: bfloat16 on a GPU, else float32"),
    ] = None
    cpu_activations: Annotated[
        Literal["float32", "int8"],
        Field(description="on a CPU; int8 (in dense layers bfloat16) is faster, at a relative error of 1e-2"),
    ] = "float32"
    deterministic: Annotated[
        bool, Field(description="the same bits in any batch; slower on a GPU, not on a CPU with g++")
    ] = False
    context_limit: Annotated[
        Count | None, Field(description="tokens of a sequence; empty: what the model and the cache allow")
    ] = None
    cache_gb: Annotated[
        Amount | None, Field(description="for keys and values; empty: what memory allows")
    ] = None
    max_running: Annotated[Count, Field(description="sequences in a step")] = 64
    max_waiting: Annotated[Count, Field(description="sequences that wait; one more is refused")] = 1024
    tokens_per_step: Annotated[
        Count | None, Field(description="tokens in a step; empty: 512, or max_running if that is more")
    ] = None
    page_size: Annotated[Count, Field(description="positions in a page of the cache")] = 16
    drafts: Annotated[
        int, Field(ge=0, le=64, description="tokens guessed ahead from what came before; 0 guesses nothing")
    ] = 0

    @property
    def settings(self) -> EngineSettings:
        """Raises ConfigError for values that do not go together."""
        return EngineSettings(
            max_running=self.max_running,
            max_waiting=self.max_waiting,
            tokens_per_step=self.tokens_per_step or max(DEFAULT_TOKENS_PER_STEP, self.max_running),
            page_size=self.page_size,
            drafts=DraftSettings(num_tokens=self.drafts) if self.drafts else None,
        )


@dataclass(frozen=True, slots=True, config=_STRICT)
class GatewayLimits:
    """How much a gateway takes on, and how long it keeps things."""

    max_calls: Annotated[Count, Field(description="requests being answered; one more is refused")] = 4096
    max_body_mb: Annotated[Amount, Field(description="a larger request is refused")] = 8.0
    max_unread: Annotated[
        Count, Field(description="events of a request; a client that reads slower is cut off")
    ] = 16_384
    resume_s: Annotated[
        Amount, Field(description="a request that may be resumed waits so long for its client")
    ] = 30.0
    keep_s: Annotated[
        Amount, Field(description="what such a request was told can be read so long after its end")
    ] = 300.0
    max_kept: Annotated[Count, Field(description="such requests; the oldest go first")] = 1024
    stored_s: Annotated[
        Amount, Field(description="a response of the Responses API is stored so long after its end")
    ] = 86_400.0
    max_stored: Annotated[Count, Field(description="stored responses; the oldest go first")] = 10_000
    max_stored_mb: Annotated[Amount, Field(description="of all of them together")] = 256.0


@dataclass(frozen=True, slots=True, config=_STRICT)
class GatewayConfig:
    """Where clients reach the model, over HTTP and over gRPC."""

    host: Annotated[str, Field(min_length=1, description="the address that both bind to")] = "127.0.0.1"
    http_port: Annotated[Port, Field(description="of the OpenAI-compatible API; 0: any free one")] = 8000
    grpc_port: Annotated[Port, Field(description="of InferenceService; 0: any free one")] = 8001
    model_name: Annotated[
        str | None,
        Field(min_length=1, description="by which clients ask for it; empty: the last part of `model`"),
    ] = None
    aliases: Annotated[tuple[str, ...], Field(description="other names by which they may")] = ()
    envelope: Annotated[
        bool,
        Field(description="malformed harmony is made impossible always, not only where tools or formats are"),
    ] = False
    cors_origins: Annotated[
        tuple[str, ...],
        Field(description="web pages that may call it from a browser, as https://app.example"),
    ] = ()
    policies: Annotated[
        Path | None, Field(description="folder of policies for Classify; empty: only those that clients send")
    ] = None
    tls: Annotated[bool, Field(description="both speak TLS, with the certificate of the section tls")] = False
    limits: GatewayLimits = GatewayLimits()


@dataclass(frozen=True, slots=True, config=_STRICT)
class ControllerConfig:
    """Where workers and operators reach the controller."""

    host: Annotated[str, Field(min_length=1, description="the address that it binds to")] = "127.0.0.1"
    port: Annotated[Port, Field(description="0: any free one")] = 7700


@dataclass(frozen=True, slots=True, config=_STRICT)
class AttentionConfig:
    """The attention workers; their device is the engine's."""

    replicas: Annotated[
        Count, Field(description="each serves requests of its own, with a cache of its own")
    ] = 1
    stages: Annotated[Count, Field(description="processes that the layers of one replica are cut into")] = 1
    threads: Annotated[
        Count | None, Field(description="of a worker on a CPU; empty: a fair part of the cores")
    ] = None


@dataclass(frozen=True, slots=True, config=_STRICT)
class ExpertsConfig:
    """The expert workers."""

    workers: Annotated[Count, Field(description="how many processes host experts")] = 2
    replicas: Annotated[
        Count, Field(description="workers that host each expert at least, on nodes of their own")
    ] = 1
    device: Annotated[
        Literal["cpu", "cuda"] | None, Field(description="empty: a GPU if there is one for each")
    ] = None
    memory_gb: Annotated[
        Amount | None, Field(description="of a worker, for experts; empty: what its device has")
    ] = None
    threads: Annotated[
        Count | None, Field(description="of a worker on a CPU; empty: a fair part of the cores")
    ] = None


@dataclass(frozen=True, slots=True, config=_STRICT)
class ClusterConfig:
    """The processes of cluster mode. Single mode reads none of it."""

    name: Annotated[
        Name, Field(description="lower-case letters, digits and dashes: Ray's namespace for this mesh")
    ] = "expertmesh"
    ray: Annotated[
        str,
        Field(
            pattern=r"^(start|auto|.+:\d+)$",
            description="start (a Ray of its own here), auto (the one that runs here) or host:port",
        ),
    ] = "start"
    controller: ControllerConfig = ControllerConfig()
    attention: AttentionConfig = AttentionConfig()
    experts: ExpertsConfig = ExpertsConfig()


@dataclass(frozen=True, slots=True, config=_STRICT)
class RouterConfig:
    """How attention workers and expert workers exchange rows."""

    combine: Annotated[
        Literal["exact", "reduced"],
        Field(description="exact: the same bits for any placement; reduced: fewer bytes"),
    ] = "exact"
    rows: Annotated[
        Literal["exact", "mxfp8"],
        Field(description="of dispatch: as they are, or in eight bits: half the bytes, other results"),
    ] = "exact"
    hedge: Annotated[bool, Field(description="ask a second replica when the first is late")] = True
    frame_deadline_s: Annotated[
        Amount, Field(description="an answer later than this is asked for elsewhere")
    ] = 30.0
    recovery_s: Annotated[
        Amount, Field(description="a step waits so long for lost experts to be loaded elsewhere")
    ] = 120.0
    max_frame_mb: Annotated[Amount, Field(description="a larger frame is refused")] = 64.0
    credits: Annotated[Count, Field(description="frames in flight to one worker")] = 8


@dataclass(frozen=True, slots=True, config=_STRICT)
class TlsConfig:
    """Mutual TLS between the processes of the mesh; without this section there is none."""

    ca: Annotated[Path, Field(description="file that signs the certificates of all workers")]
    certificate: Annotated[Path, Field(description="file with this machine's certificate")]
    key: Annotated[Path, Field(description="file with its key")]


@dataclass(frozen=True, slots=True, config=_STRICT)
class Config:
    """The whole file. Only `model` must be there."""

    model: Annotated[str, Field(min_length=1, description="a folder, or the name of a pulled model")]
    engine: EngineConfig = EngineConfig()
    gateway: GatewayConfig = GatewayConfig()
    cluster: ClusterConfig = ClusterConfig()
    router: RouterConfig = RouterConfig()
    tls: TlsConfig | None = None

    def check_tls(self) -> None:
        """Raises ConfigError where a certificate is asked for and there is none."""
        if self.gateway.tls and self.tls is None:
            raise ConfigError(
                "gateway.tls is true, and there is no section tls to take a certificate from; add one"
            )
