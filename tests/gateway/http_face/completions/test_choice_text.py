"""Log-probabilities in the old shape, piece by piece and as a whole."""

from typing import Any

import pytest

from gateway.http_face.completions.choice_text import ChoiceText
from gateway.http_face.token_names import TokenNames
from gateway.served_model import ServedModel
from model.sampling.sampled_tokens import PositionLogprobs, TokenLogprob
from model.tokenizer import Tokenizer
from workers.engine.events import ChoiceDelta, FinishReason, PromptEcho


@pytest.fixture
def choice(tokenizer: Tokenizer) -> ChoiceText:
    return ChoiceText(TokenNames(ServedModel("tiny", tokenizer, 100, 0)))


def position(token_id: int, logprob: float = -1.0) -> PositionLogprobs:
    return PositionLogprobs(TokenLogprob(token_id, logprob), (TokenLogprob(token_id + 1, -0.5),))


def delta(token_ids: tuple[int, ...], text: str, finish: FinishReason | None = None) -> ChoiceDelta:
    return ChoiceDelta("r", 0, token_ids, text, tuple(position(token) for token in token_ids), finish)


def test_pieces_add_up_to_the_whole(tokenizer: Tokenizer) -> None:
    """Also where a character is cut in two: its parts have names of their own, and begin where it does."""
    names = TokenNames(ServedModel("tiny", tokenizer, 100, 0))
    whole, piecewise = ChoiceText(names), ChoiceText(names)
    a, e_acute, b = tokenizer.encode("a"), tokenizer.encode("é"), tokenizer.encode("b")
    news = [delta((*a, e_acute[0]), "a"), delta((e_acute[1],), "é"), delta(tuple(b), "b", FinishReason.STOP)]
    pieces: list[dict[str, Any]] = []
    for each in news:
        whole.take(each)
        piecewise.take(each)
        pieces.append(piecewise.document(3, with_logprobs=True))
        piecewise.clear()
        assert not piecewise.has_news
    total: Any = whole.document(3, with_logprobs=True)
    assert (total["index"], total["text"], total["finish_reason"]) == (3, "aéb", "stop")
    assert total["logprobs"]["tokens"] == ["a", "bytes:\\xc3", "bytes:\\xa9", "b"]
    assert total["logprobs"]["text_offset"] == [0, 1, 1, 2]
    assert "".join(piece["text"] for piece in pieces) == "aéb"
    assert [piece["finish_reason"] for piece in pieces] == [None, None, "stop"]
    for key, values in total["logprobs"].items():
        assert [value for piece in pieces for value in piece["logprobs"][key]] == values


def test_the_first_token_of_an_echo_has_no_probability(choice: ChoiceText, tokenizer: Tokenizer) -> None:
    prompt = tuple(tokenizer.encode("xy"))
    choice.take_echo(PromptEcho("r", prompt, "xy", (None, position(prompt[1]))))
    choice.take(delta(tuple(tokenizer.encode("z")), "z"))
    document: Any = choice.document(0, with_logprobs=True)
    assert document["text"] == "xyz"
    assert document["logprobs"] == {
        "tokens": ["x", "y", "z"],
        "token_logprobs": [None, -1.0, -1.0],
        "top_logprobs": [None, {"z": -0.5, "y": -1.0}, {"{": -0.5, "z": -1.0}],
        "text_offset": [0, 1, 2],
    }


def test_half_a_character_at_the_end_of_an_echo_is_one(choice: ChoiceText, tokenizer: Tokenizer) -> None:
    """What follows begins behind the mark that stands for it."""
    half = tokenizer.encode("é")[0]
    choice.take_echo(PromptEcho("r", (half,), "\ufffd", (None,)))
    choice.take(delta(tuple(tokenizer.encode("z")), "z"))
    document: Any = choice.document(0, with_logprobs=True)
    assert document["text"] == "\ufffdz"
    assert document["logprobs"]["text_offset"] == [0, 1]


def test_an_echo_without_probabilities_is_text(choice: ChoiceText) -> None:
    choice.take_echo(PromptEcho("r", (1, 2), "xy", ()))
    assert choice.document(0, with_logprobs=False)["logprobs"] is None
    assert choice.document(0, with_logprobs=False)["text"] == "xy"


def test_a_control_token_has_a_name_and_no_width(choice: ChoiceText, tokenizer: Tokenizer) -> None:
    end, x = tokenizer.special_ids["<|end|>"], tokenizer.encode("x")[0]
    choice.take(delta((end, x), "x"))
    document: Any = choice.document(0, with_logprobs=True)
    assert document["logprobs"]["tokens"] == ["<|end|>", "x"]
    assert document["logprobs"]["text_offset"] == [0, 0]
