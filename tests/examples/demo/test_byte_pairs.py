import json
from pathlib import Path

import tokenizers

from examples.demo.byte_pairs import learn_merges, pattern
from examples.demo.rendering import ExampleRenderer
from model.tokenizer.vocabulary_file import TOKENIZER_NAME

TEXTS = ("banana band", "ban the banana", "a band, 12 bands")
STRANGE = (
    "Sort 42, 7 and 19.", "Café naïve 東京 🎉", 'a\t{"a":{"b":[1,2]}}\r\n\n  b', "", " ", "don't +-*/ 3.14",
    "# Tools\n\n## functions\n\nnamespace functions {\n\ntype x = () => any;",
    "# Valid channels: analysis, commentary, final.",
)  # fmt: skip


def test_the_most_frequent_pairs_are_merged_first() -> None:
    merges = learn_merges(TEXTS, 3)
    assert merges == [(b"a", b"n"), (b"b", b"an"), (b" ", b"ban")]
    assert learn_merges(TEXTS, 3) == merges


def test_digits_stay_alone_and_pieces_are_not_crossed() -> None:
    merged = {left + right for left, right in learn_merges(("12 12 12 a, a, a,",), 50)}
    assert merged == {b" a"}


def test_other_libraries_cut_texts_alike(folder: Path, renderer: ExampleRenderer) -> None:
    """The pattern means the same in Rust, where it is used, as in Python, where merges were learned."""
    path = folder / TOKENIZER_NAME
    written = json.loads(path.read_text(encoding="utf-8"))["pre_tokenizer"]["pretokenizers"][0]
    assert written["pattern"]["Regex"] == pattern()
    oracle = tokenizers.Tokenizer.from_file(str(path))
    ours = renderer.vocabulary.tokenizer
    for text in (*STRANGE, *TEXTS):
        assert ours.encode(text) == oracle.encode(text, add_special_tokens=False).ids
        assert ours.decode(ours.encode(text)) == text


def test_lines_of_every_prompt_are_few_tokens(renderer: ExampleRenderer) -> None:
    line = "\n\n# Valid channels: analysis, commentary, final. Channel must be included for every message."
    assert len(renderer.vocabulary.tokenizer.encode(line)) == 1
