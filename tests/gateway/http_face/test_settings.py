import pytest

from gateway.http_face.settings import HttpSettings
from protos.errors import ConfigError


@pytest.mark.parametrize("name", ["max_body_bytes", "header_timeout_s", "keep_alive_s"])
@pytest.mark.parametrize("value", [0, -1])
def test_nothing_is_below_what_can_be(name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"{name} is {value}; it must be above 0"):
        HttpSettings(**{name: value})  # type: ignore[arg-type] # every field of a number
