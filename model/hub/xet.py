"""What huggingface_hub's xet transfers want from us: whether they can run, and a bar to report to."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Never

from huggingface_hub import constants
from tqdm import tqdm


def is_xet_installed() -> bool:
    return not constants.HF_HUB_DISABLE_XET and find_spec("hf_xet") is not None


def bar_reporting_to(reach: Callable[[int], None]) -> "type[tqdm[Never]]":
    """A bar that shows nothing. huggingface_hub makes one per download and counts written bytes on it."""

    class ReportingBar(tqdm):  # type: ignore[type-arg]  # generic for the checker only
        def __init__(self, *_: object, **__: object) -> None:
            super().__init__(disable=True)
            self._num_bytes = 0

        def update(self, n: float | None = 1) -> None:
            self._num_bytes += int(n or 0)
            reach(self._num_bytes)

        # A bar with this method is given the bytes off the network apart from the bytes written to disk.
        def update_transfer(self, n: float | None = 1) -> None: ...
        def set_transfer_postfix_str(self, postfix: str, refresh: bool = True) -> None: ...

    return ReportingBar
