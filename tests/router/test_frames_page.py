"""docs/frames.md shows the bytes that the code makes, and its tables name the numbers that the code uses."""

import re
from pathlib import Path

import numpy as np

from router.dispatch_frames import CombineMode, Dispatch, RefusalReason, Reply
from router.frame import FrameKind
from router.rows import RowFormat

PAGE = (Path(__file__).parents[2] / "docs" / "frames.md").read_text(encoding="utf-8")


def shown() -> list[bytes]:
    return [bytes.fromhex(block) for block in re.findall(r"```text\n([0-9a-f \n]+)```", PAGE)]


def rows(*values: float) -> list[memoryview]:
    return [memoryview(np.array(values, "<f4").tobytes())]


def test_the_example_is_what_the_code_makes() -> None:
    weights = np.array([0.75, 0.25], np.float32).view(np.int32)
    numbers = np.array([[0, 0], [5, 3], weights], np.int32)
    dispatch = Dispatch("a", 7, 0, 1, RowFormat.FLOAT32, CombineMode.EXACT, 1, rows(1, -2), numbers)
    reply = Reply(7, 120, RowFormat.FLOAT32, rows(0.75, -1.5, 0.25, -0.5))
    assert shown() == [dispatch.encode(), reply.encode()]


def test_every_kind_and_every_reason_is_told() -> None:
    for kind in FrameKind:
        assert re.search(rf"^\| ({kind.value}|5, 6) \| .*{kind.name}", PAGE, re.M), kind
    reasons = {
        int(number)
        for numbers in re.findall(r"^\| ([\d, ]+) \| [a-z]", PAGE.partition("**REFUSAL.**")[2], re.M)
        for number in numbers.split(",")
    }
    assert reasons == set(RefusalReason)
    formats = PAGE.partition("| row format |")[2].partition("**REPLY.**")[0]
    assert {int(number) for number in re.findall(r"^\| (\d) \|", formats, re.M)} == set(RowFormat)
