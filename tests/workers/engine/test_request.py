import pytest

from protos.errors import InvalidRequestError
from workers.engine.request import GenerationRequest, StopRules


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"prompt": ()}, "the prompt is empty"),
        ({"max_tokens": -1}, "max_tokens is -1; it must be at least 0"),
        ({"min_tokens": -1}, "min_tokens is -1"),
        ({"min_tokens": 3, "max_tokens": 2}, "min_tokens is 3 and max_tokens 2"),
        ({"reasoning_budget": -2}, "reasoning_budget is -2"),
        ({"num_choices": 0}, "num_choices is 0; it must be from 1 to 128"),
        ({"num_choices": 129}, "num_choices is 129"),
        ({"timeout_s": 0.0}, "timeout_s is 0.0; it must be above 0"),
        ({"timeout_s": float("nan")}, "timeout_s is nan"),
    ],
)
def test_what_no_engine_could_do_is_refused(wishes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        GenerationRequest(**{"request_id": "one", "prompt": (1,), **wishes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("strings", "message"),
    [
        (("a",) * 17, "17 stop strings are given; at most 16"),
        (("",), "a stop string has 0 bytes"),
        (("é" * 513,), "a stop string has 1026 bytes"),
        (("\ud800",), "is not valid Unicode"),
    ],
)
def test_stop_strings_that_cannot_be_are_refused(strings: tuple[str, ...], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        StopRules(strings=strings)
