"""What failed is found again, whatever group it is in."""

import json
from pathlib import Path

from tools.again import failed_tests


def test_failed_tests_are_named_as_pytest_wants_them(tmp_path: Path) -> None:
    noted = tmp_path / "lastfailed"
    noted.write_text(json.dumps({"tests/b.py::test_two[1]@together": True, "tests/a.py::test_one": True}))
    assert failed_tests(noted) == ["tests/a.py::test_one", "tests/b.py::test_two[1]"]


def test_nothing_has_failed_where_nothing_is_noted(tmp_path: Path) -> None:
    assert failed_tests(tmp_path / "lastfailed") == []
