import pytest

from protos.errors import ConfigError
from workers.engine.settings import DraftSettings, EngineSettings


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"max_running": 0}, "max_running is 0; it must be at least 1"),
        ({"max_waiting": 0}, "max_waiting is 0"),
        ({"tokens_per_step": 63}, "tokens_per_step is 63; it must be at least 64"),
        ({"page_size": 0}, "page_size is 0"),
        ({"checkpoint_interval": 100}, "checkpoint_interval is 100; it must be a multiple of page_size"),
        ({"head_start": -1}, "head_start is -1"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(wishes: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EngineSettings(**wishes)  # type: ignore[arg-type]


@pytest.mark.parametrize("wishes", [{"num_tokens": 0}, {"shortest_match": 0}, {"longest_match": 1}])
def test_drafts_that_can_never_be_made_are_refused(wishes: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(wishes))}"):
        DraftSettings(**wishes)
