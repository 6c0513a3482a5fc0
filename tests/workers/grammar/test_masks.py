"""Every row against the brute force, and walks along the masks against what the grammar promises."""

import json
import re
from array import array

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.tokenizer import Tokenizer
from tests.workers.grammar.walking import (
    CHOICES,
    EXHAUSTING,
    PATTERN,
    SCHEMA,
    SPECS,
    acceptable_ids,
    allowed_ids,
    towards_the_end,
)
from workers.grammar.compiler import GrammarCompiler
from workers.grammar.masks import MaskFiller, MaskRequest, words_per_row
from workers.grammar.spec import GrammarSpec
from workers.grammar.state import GrammarState

FREE_STEPS = 25

walks = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def mask_of(filler: MaskFiller, state: GrammarState) -> list[int]:
    return allowed_ids(filler.fill([MaskRequest(state)]).wait(), 0, state.vocab_size)


@pytest.mark.parametrize("name", SPECS)
@walks
@given(data=st.data())
def test_a_row_allows_what_would_be_accepted(
    compiler: GrammarCompiler, filler: MaskFiller, tokenizer: Tokenizer, name: str, data: st.DataObject
) -> None:
    state = compiler.compile(SPECS[name]).begin()
    for _ in range(FREE_STEPS):
        ids = mask_of(filler, state)
        assert ids == (sorted(tokenizer.stop_ids) if state.has_ended else acceptable_ids(state))
        if state.has_ended:
            return
        assert state.accept(data.draw(st.sampled_from(ids)))


@pytest.mark.parametrize("name", SPECS)
@walks
@given(data=st.data())
def test_rows_of_drafts_are_those_of_the_states_they_lead_to(
    compiler: GrammarCompiler, filler: MaskFiller, tokenizer: Tokenizer, name: str, data: st.DataObject
) -> None:
    stop_row = sorted(tokenizer.stop_ids)
    states = [compiler.compile(SPECS[other]).begin() for other in (name, "schema", name)]
    num_drafts = data.draw(st.integers(1, 7))
    drafts: list[int] = []
    expected: list[list[int]] = []
    ahead, alive = states[0].copy(), True
    for _ in range(num_drafts):
        ids = acceptable_ids(ahead) if alive else stop_row
        expected.append(ids)
        stray = data.draw(st.integers(0, 6)) == 0
        drafts.append(data.draw(st.integers(0, tokenizer.vocab_size - 1) if stray else st.sampled_from(ids)))
        alive = alive and ahead.accept(drafts[-1]) and not ahead.has_ended
    expected.append(acceptable_ids(ahead) if alive else stop_row)
    before = [acceptable_ids(state) for state in states]
    masks = filler.fill(
        [MaskRequest(states[1]), MaskRequest(states[0], drafts), MaskRequest(states[2], drafts[:1])]
    ).wait()
    rows = [allowed_ids(masks, row, tokenizer.vocab_size) for row in range(masks.num_rows)]
    assert rows == [before[1], *expected, *expected[:1], rows[-1]]
    assert rows[-1] == expected[1]
    assert [acceptable_ids(state) for state in states] == before
    num_valid = states[0].valid_prefix(drafts)
    assert all(draft in ids for draft, ids in zip(drafts[:num_valid], expected[:num_valid], strict=True))
    if num_valid < num_drafts:
        assert not alive


def walk(filler: MaskFiller, tokenizer: Tokenizer, state: GrammarState, data: st.DataObject) -> list[int]:
    """Random allowed tokens, then the way to an end; the stop token is left out."""
    written: list[int] = []
    for step in range(2000):
        ids = mask_of(filler, state)
        token_id = data.draw(st.sampled_from(ids)) if step < FREE_STEPS else towards_the_end(tokenizer, ids)
        assert state.accept(token_id)
        if state.has_ended:
            return written if token_id in tokenizer.stop_ids else [*written, token_id]
        written.append(token_id)
    raise AssertionError("the walk found no end")


@walks
@given(data=st.data())
def test_a_walk_through_a_schema_is_an_instance_of_it(
    compiler: GrammarCompiler, filler: MaskFiller, tokenizer: Tokenizer, data: st.DataObject
) -> None:
    written = walk(filler, tokenizer, compiler.compile(SPECS["schema"]).begin(), data)
    assert not any(map(tokenizer.is_special, written))
    found = json.loads(tokenizer.decode(written))
    assert list(found) == SCHEMA["required"]
    assert found["then"] in ("the in", "ant", "12")
    assert type(found["number"]) is int
    assert -3 <= found["number"] <= 1200
    assert len(found["names"]) <= 3
    assert all(len(name) <= 5 for name in found["names"])


@walks
@given(data=st.data())
def test_a_walk_through_any_object_is_an_object(
    compiler: GrammarCompiler, filler: MaskFiller, tokenizer: Tokenizer, data: st.DataObject
) -> None:
    written = walk(filler, tokenizer, compiler.compile(SPECS["object"]).begin(), data)
    assert isinstance(json.loads(tokenizer.decode(written)), dict)


@walks
@given(data=st.data())
def test_a_walk_through_a_regex_matches_it(
    compiler: GrammarCompiler, filler: MaskFiller, tokenizer: Tokenizer, data: st.DataObject
) -> None:
    written = walk(filler, tokenizer, compiler.compile(SPECS["regex"]).begin(), data)
    assert re.fullmatch(PATTERN, tokenizer.decode(written))


@walks
@given(data=st.data())
def test_a_walk_through_choices_is_one_of_them(
    compiler: GrammarCompiler, filler: MaskFiller, tokenizer: Tokenizer, data: st.DataObject
) -> None:
    written = walk(filler, tokenizer, compiler.compile(SPECS["choice"]).begin(), data)
    assert tokenizer.decode(written) in CHOICES


@walks
@given(data=st.data())
def test_a_walk_through_an_envelope_has_every_mark_in_its_place(
    compiler: GrammarCompiler, filler: MaskFiller, tokenizer: Tokenizer, data: st.DataObject
) -> None:
    state = compiler.compile(SPECS["envelope"]).begin()
    written = walk(filler, tokenizer, state, data)
    marks = [name for token in written for name, mark in tokenizer.special_ids.items() if mark == token]
    assert marks == [
        "<|channel|>", "<|message|>", "<|end|>", "<|start|>", "<|channel|>", "<|message|>"
    ]  # fmt: skip
    last = max(index for index, token in enumerate(written) if tokenizer.is_special(token))
    assert list(json.loads(tokenizer.decode(written[last:]))) == SCHEMA["required"]
    assert state.is_complete


def test_blanks_between_json_tokens_come_to_an_end(
    compiler: GrammarCompiler, filler: MaskFiller, tokenizer: Tokenizer
) -> None:
    state = compiler.compile(SPECS["object"]).begin(tokenizer.encode("{"))
    (line_feed,) = tokenizer.encode("\n")
    for _ in range(64):
        assert state.accept(line_feed)
    assert line_feed not in mask_of(filler, state)


def test_a_request_that_has_ended_allows_the_stop_tokens(
    compiler: GrammarCompiler, filler: MaskFiller, tokenizer: Tokenizer
) -> None:
    stop_id = min(tokenizer.stop_ids)
    ended = compiler.compile(SPECS["choice"]).begin([*tokenizer.encode("the"), stop_id])
    running = compiler.compile(SPECS["choice"]).begin(tokenizer.encode("th"))
    masks = filler.fill([MaskRequest(ended, (3, 5)), MaskRequest(running)]).wait()
    rows = [allowed_ids(masks, row, tokenizer.vocab_size) for row in range(masks.num_rows)]
    assert rows == [sorted(tokenizer.stop_ids)] * 3 + [tokenizer.encode("e")]


def test_a_grammar_that_outgrows_its_limits_fails_alone(
    compiler: GrammarCompiler, filler: MaskFiller, tokenizer: Tokenizer
) -> None:
    sound = compiler.compile(SPECS["choice"]).begin()
    growing = compiler.compile(EXHAUSTING).begin()
    masks = filler.fill([MaskRequest(sound), MaskRequest(growing)]).wait()
    while not masks.failures:
        growing.accept(tokenizer.encode("a")[0])
        masks = filler.fill([MaskRequest(sound), MaskRequest(growing)]).wait()
        assert allowed_ids(masks, 0, tokenizer.vocab_size) == acceptable_ids(sound)
    assert masks.failures.keys() == {1}
    assert "too complex while it was followed" in str(masks.failures[1])
    assert allowed_ids(masks, 1, tokenizer.vocab_size) == sorted(tokenizer.stop_ids)


def test_a_stop_token_ends_a_sequence_also_where_the_grammar_would_go_on(
    compiler: GrammarCompiler, filler: MaskFiller, tokenizer: Tokenizer
) -> None:
    state = compiler.compile(GrammarSpec.lark('start: "th" <|call|> "in"')).begin()
    drafts = tokenizer.encode_with_specials("th<|call|>in")
    masks = filler.fill([MaskRequest(state, drafts)]).wait()
    rows = [allowed_ids(masks, row, tokenizer.vocab_size) for row in range(masks.num_rows)]
    stop_row = sorted(tokenizer.stop_ids)
    assert rows == [acceptable_ids(state), [tokenizer.special_ids["<|call|>"]], stop_row, stop_row]
    assert state.valid_prefix(drafts) == 2
    assert [state.accept(token_id) for token_id in drafts] == [True, True, False]


def test_nothing_asked_is_nothing_filled(filler: MaskFiller) -> None:
    masks = filler.fill([]).wait()
    assert (masks.words, masks.num_rows, masks.failures) == (array("I"), 0, {})


@pytest.mark.parametrize(("vocab_size", "words"), [(31, 1), (32, 2), (299, 10), (201_088, 6285)])
def test_a_row_has_room_for_the_end_of_the_grammar(vocab_size: int, words: int) -> None:
    assert words_per_row(vocab_size) == words
