"""How to reach the model hub, and how patiently.

huggingface_hub reads its own environment variables (HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE,
HF_HUB_OFFLINE, HF_HUB_DISABLE_XET); what is None here is left to them, and we read none ourselves.
"""

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants

from protos.errors import ConfigError


@dataclass(frozen=True, slots=True)
class HubSettings:
    """The defaults suit the public hub."""

    endpoint: str | None = None  # scheme and host, without a final slash
    token: str | bool | None = None  # False: send none, even where one is stored
    cache_folder: Path | None = None
    offline: bool = False  # in addition to HF_HUB_OFFLINE
    timeout_s: float = 10.0  # of silence, not of the whole transfer
    num_attempts: int = 4  # in a row without a new byte
    first_wait_s: float = 1.0  # doubles with each attempt

    @property
    def is_offline(self) -> bool:
        return self.offline or constants.HF_HUB_OFFLINE

    @property
    def address(self) -> str:
        address = self.endpoint or constants.ENDPOINT
        if not address.startswith(("http://", "https://")):
            raise ConfigError(
                f"the hub's address is {address!r}; HF_ENDPOINT must start with https:// or http://"
            )
        return address

    @property
    def cache(self) -> Path:
        return self.cache_folder or Path(constants.HF_HUB_CACHE)
