import json

import pytest

from model.tokenizer import Tokenizer
from protos.errors import InvalidGrammarError
from tests.workers.grammar.walking import CHOICES, ENVELOPE, SPECS, acceptable_ids
from workers.grammar.compiler import GrammarCompiler
from workers.grammar.spec import GrammarSpec

INSTANCE = '{"then": "ant",\n "number": 12, "names": ["é🙂", "<|en"]}'


def test_what_is_not_allowed_changes_nothing(compiler: GrammarCompiler, tokenizer: Tokenizer) -> None:
    state = compiler.compile(SPECS["choice"]).begin()
    before = acceptable_ids(state)
    assert not state.accept(tokenizer.encode("x")[0])
    assert not state.accept(tokenizer.vocab_size - 1)
    assert not state.accept(tokenizer.special_ids["<|start|>"])
    assert acceptable_ids(state) == before


def test_a_stop_token_is_accepted_where_the_grammar_may_end_and_then_nothing(
    compiler: GrammarCompiler, tokenizer: Tokenizer
) -> None:
    for stop_id in tokenizer.stop_ids:
        state = compiler.compile(SPECS["choice"]).begin(tokenizer.encode("th"))
        assert not state.accept(stop_id)
        assert state.accept(*tokenizer.encode("e"))
        before = (state.is_complete, state.has_ended)
        assert state.accept(stop_id)
        assert (before, state.is_complete, state.has_ended) == (
            (False, False),
            True,
            True,
        )  # "then" was possible
        assert acceptable_ids(state) == []


def test_complete_is_when_only_a_stop_token_may_follow(
    compiler: GrammarCompiler, tokenizer: Tokenizer
) -> None:
    state = compiler.compile(SPECS["schema"]).begin(tokenizer.encode(INSTANCE[:-1]))
    before = state.is_complete
    assert state.accept(*tokenizer.encode(INSTANCE[-1]))
    assert (before, state.is_complete, state.has_ended) == (False, True, False)
    assert acceptable_ids(state) == sorted(tokenizer.stop_ids)


def test_a_stop_token_that_the_grammar_names_is_allowed_there_alone(
    compiler: GrammarCompiler, tokenizer: Tokenizer
) -> None:
    state = compiler.compile(SPECS["call"]).begin(tokenizer.encode_with_specials("tha"))
    call, other = tokenizer.special_ids["<|call|>"], tokenizer.special_ids["<|return|>"]
    assert call in acceptable_ids(state)
    assert other not in acceptable_ids(state)
    assert state.accept(call)
    assert state.has_ended


def test_valid_prefix_is_how_far_accept_would_go(compiler: GrammarCompiler, tokenizer: Tokenizer) -> None:
    stop_id, other_stop = sorted(tokenizer.stop_ids)[:2]
    good = tokenizer.encode("then")
    for name, tokens in {
        "good": [*good],
        "good and stop": [*good, stop_id],
        "nothing after the stop": [*good, stop_id, other_stop],
        "stop too early": [*good[:-1], tokenizer.encode("x")[0], stop_id],
        "stop at once": [stop_id],
        "bad": [3, *good],
        "none": [],
    }.items():
        state = compiler.compile(SPECS["choice"]).begin()
        ahead, expected = state.copy(), 0
        while expected < len(tokens) and ahead.accept(tokens[expected]):
            expected += 1
        assert state.valid_prefix(tokens) == expected, name
        assert acceptable_ids(state) == acceptable_ids(compiler.compile(SPECS["choice"]).begin()), name
    named = compiler.compile(SPECS["call"]).begin()
    call = tokenizer.special_ids["<|call|>"]
    assert named.valid_prefix([*tokenizer.encode("tha"), call, call]) == len(tokenizer.encode("tha")) + 1
    assert named.valid_prefix([call]) == 0


def test_nothing_is_valid_after_the_end(compiler: GrammarCompiler, tokenizer: Tokenizer) -> None:
    stop_id = min(tokenizer.stop_ids)
    state = compiler.compile(SPECS["choice"]).begin([stop_id])  # one of the choices is empty
    assert state.valid_prefix([stop_id]) == 0
    assert state.copy().has_ended


def test_a_copy_goes_its_own_way(compiler: GrammarCompiler, tokenizer: Tokenizer) -> None:
    state = compiler.compile(SPECS["choice"]).begin(tokenizer.encode("th"))
    fork = state.copy()
    assert fork.accept(*tokenizer.encode("e"))
    assert acceptable_ids(state) == tokenizer.encode("e")
    assert acceptable_ids(fork) != acceptable_ids(state)


@pytest.mark.parametrize("cut", range(0, len(INSTANCE), 7))
def test_a_replay_stands_where_the_sequence_stood(
    compiler: GrammarCompiler, tokenizer: Tokenizer, cut: int
) -> None:
    written = tokenizer.encode(INSTANCE[:cut])
    state = compiler.compile(SPECS["schema"]).begin()
    assert all(map(state.accept, written))
    assert acceptable_ids(compiler.compile(SPECS["schema"]).begin(written)) == acceptable_ids(state)


def test_a_replay_of_something_else_is_refused(compiler: GrammarCompiler, tokenizer: Tokenizer) -> None:
    strange = tokenizer.encode("th")[0], 3
    with pytest.raises(InvalidGrammarError, match="token 1 of those already written is 3"):
        compiler.compile(SPECS["choice"]).begin(strange)


def test_any_way_of_cutting_the_text_into_tokens_is_accepted(
    compiler: GrammarCompiler, tokenizer: Tokenizer
) -> None:
    single = [token_id for byte in INSTANCE.encode() for token_id in range(256)
              if tokenizer.token_bytes(token_id) == bytes([byte])]  # fmt: skip
    assert len(single) > len(tokenizer.encode(INSTANCE))
    for token_ids in (single, tokenizer.encode(INSTANCE)):
        assert compiler.compile(SPECS["schema"]).begin(token_ids).is_complete


def test_a_special_spelled_in_a_string_is_text_and_the_special_itself_is_not_allowed(
    compiler: GrammarCompiler, tokenizer: Tokenizer
) -> None:
    state = compiler.compile(SPECS["object"]).begin(tokenizer.encode('{"a": "'))
    for name, token_id in tokenizer.special_ids.items():
        assert not state.accept(token_id)
        spelled = state.copy()
        assert all(map(spelled.accept, tokenizer.encode(f'{name}"}}')))
        assert spelled.is_complete


@pytest.mark.parametrize("choice", [choice for choice in CHOICES if choice])
def test_a_choice_may_hold_any_characters(
    compiler: GrammarCompiler, tokenizer: Tokenizer, choice: str
) -> None:
    state = compiler.compile(SPECS["choice"]).begin(tokenizer.encode(choice))
    assert state.accept(min(tokenizer.stop_ids))


def test_an_envelope_holds_an_instance(compiler: GrammarCompiler, tokenizer: Tokenizer) -> None:
    text = (
        "<|channel|>analysis<|message|>in an<|end|><|start|>assistant<|channel|>final<|message|>" + INSTANCE
    )
    state = compiler.compile(GrammarSpec.lark(ENVELOPE)).begin(tokenizer.encode_with_specials(text))
    assert acceptable_ids(state) == [tokenizer.special_ids["<|return|>"]]
    spelled = compiler.compile(GrammarSpec.lark(ENVELOPE)).begin()
    assert spelled.valid_prefix(tokenizer.encode(text)) == 0
    assert json.loads(INSTANCE)
