"""What counts as printed as a page shows it."""

import pytest

from tests.docs.printed import is_as_shown


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("", ""),
        ("a  b\n\nc\n", "a b\nc"),
        ("0.13 s at 127.0.0.1:8000, 1,024 tokens", "2 s at 10.0.0.1:40021, 3 tokens"),
        ("48 experts, 607 KB", "9 experts, 6.35 MB"),
        ("call_a3bda30df5e64d29e4af3876", "call_00000000000000aa00000001"),
        ("a\n…\nd", "a\nb\nc\nd"),
        ("a\n…\nd", "a\nd"),
        ("id: …, b", "id: anything (at all), b"),
    ],
)
def test_as_shown(shown: str, printed: str) -> None:
    assert is_as_shown(shown, printed)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("", "a"),
        ("a", ""),
        ("serves", "waits"),
        ("a\nb", "b\na"),
        ("a.b", "axb"),
        ("5 seconds", "five seconds"),
        ("a\n…\nd", "a\nb\nc"),
        ("id: …, b", "id: a\n, b"),
        ("deadbeef", "beefdead"),  # a word, as far as one can see
        ("cached", "facaded"),
        ("ratio 1.2 -> 3", "ratio 1.2 <- 3"),
    ],
)
def test_not_as_shown(shown: str, printed: str) -> None:
    assert not is_as_shown(shown, printed)
