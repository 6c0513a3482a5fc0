import pytest

from protos.errors import InvalidGrammarError
from workers.grammar.spec import MAX_GRAMMAR_BYTES, GrammarKind, GrammarSpec


@pytest.mark.parametrize("kind", ["json_schema", "regex", "lark"])
def test_an_empty_text_is_refused(kind: str) -> None:
    with pytest.raises(InvalidGrammarError, match=f"{kind}: the text is empty"):
        GrammarSpec(GrammarKind(kind))


def test_no_choices_are_refused() -> None:
    with pytest.raises(InvalidGrammarError, match="choice: the list of choices is empty"):
        GrammarSpec.choice()


def test_the_size_is_bounded_in_bytes() -> None:
    half = "é" * (MAX_GRAMMAR_BYTES // 4)
    assert GrammarSpec.choice(half, half).choices == (half, half)
    with pytest.raises(InvalidGrammarError, match="choice: it has 262145 bytes, the limit is 262144"):
        GrammarSpec.choice(half, half, "x")


def test_half_a_character_is_refused() -> None:
    with pytest.raises(InvalidGrammarError, match="regex: half a surrogate pair at character 1"):
        GrammarSpec.regex("a\ud800")


def test_equal_specs_are_one_key() -> None:
    assert len({GrammarSpec.regex("a"), GrammarSpec.regex("a"), GrammarSpec.lark("a")}) == 2
