"""Rules of the output on a real, tiny model: stops, grammars, reasoning budgets, and drafts under them."""

import json
import re

import pytest

from model.local_model import LocalModel
from model.sampling.parameters import SamplingParameters
from model.tokenizer import Tokenizer
from protos.errors import InvalidGrammarError
from tests.workers.engine.tiny_engine import TinyEngine, alone, tokens
from workers.engine.events import FinishReason
from workers.engine.request import GenerationRequest, StopRules
from workers.engine.settings import DraftSettings
from workers.grammar.spec import GrammarSpec

GREEDY = SamplingParameters(temperature=0.0)


def test_stop_tokens_end_a_choice_and_are_given_out(tiny_model: LocalModel) -> None:
    request = GenerationRequest("one", tokens(20, 2), GREEDY, max_tokens=30)
    output = alone(tiny_model, request)
    stop = output[10]
    first = output.index(stop)
    rules = StopRules(token_ids=frozenset({stop}))
    (told,) = TinyEngine(tiny_model).run(
        GenerationRequest("one", request.prompt, GREEDY, max_tokens=30, stop=rules)
    )
    assert told.outputs == [output[: first + 1]]
    assert (told.reasons, told.stopped_by) == ([FinishReason.STOP], [stop])
    (later,) = TinyEngine(tiny_model).run(
        GenerationRequest("one", request.prompt, GREEDY, max_tokens=30, min_tokens=first + 1, stop=rules)
    )
    assert stop not in later.outputs[0][: first + 1]


def test_a_stop_string_cuts_the_text(tiny_model: LocalModel, tokenizer: Tokenizer) -> None:
    letters = SamplingParameters(seed=3, logit_bias=dict.fromkeys(tokenizer.encode("abcd"), 50.0))
    whole = GenerationRequest("one", tokens(20, 2), letters, max_tokens=60)
    (told,) = TinyEngine(tiny_model, tokenizer).run(whole)
    text = told.texts[0]
    assert set(text) <= set("abcd")
    stop = text[25:28]
    (cut,) = TinyEngine(tiny_model, tokenizer).run(
        GenerationRequest("one", whole.prompt, letters, max_tokens=60, stop=StopRules(strings=(stop, "zz")))
    )
    assert cut.texts[0] == text[: text.index(stop)]
    assert cut.outputs[0] == told.outputs[0][: len(cut.texts[0])]
    assert (cut.reasons, cut.stopped_by) == ([FinishReason.STOP], [stop])
    assert cut.end is not None
    assert cut.end.usage.output_tokens == len(cut.texts[0]) + len(stop)


@pytest.mark.parametrize("drafts", [None, DraftSettings(shortest_match=1)])
def test_grammars_hold(tiny_model: LocalModel, tokenizer: Tokenizer, drafts: DraftSettings | None) -> None:
    engine = TinyEngine(tiny_model, tokenizer, drafts=drafts)
    schema = {
        "type": "object",
        "properties": {
            "name": {"enum": ["ada", "bob"]},
            "age": {"type": "integer", "maximum": 120, "minimum": 0},
        },
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    specs = {
        "schema": GrammarSpec.json_schema(json.dumps(schema)),
        "regex": GrammarSpec.regex(r"[0-9]{4}-[0-9]{2}"),
        "choice": GrammarSpec.choice("yes", "no", "maybe"),
        "lark": GrammarSpec.lark('start: <|channel|> "final" <|message|> /[a-z]{3}/ <|return|>'),
    }
    requests = [
        GenerationRequest(name, tokens(9, 3), SamplingParameters(seed=index), max_tokens=60, grammar=spec)
        for index, (name, spec) in enumerate(specs.items())
    ]
    free = GenerationRequest("free", tokens(9, 3), SamplingParameters(seed=9), max_tokens=20)
    told = dict(zip([*specs, "free"], engine.run(*requests, free), strict=True))
    parsed = json.loads(told["schema"].texts[0])
    assert parsed["name"] in {"ada", "bob"}
    assert 0 <= parsed["age"] <= 120
    assert re.fullmatch(r"[0-9]{4}-[0-9]{2}", told["regex"].texts[0])
    assert told["choice"].texts[0] in {"yes", "no", "maybe"}
    marks = tokenizer.special_ids
    output = told["lark"].outputs[0]
    assert output[0] == marks["<|channel|>"]
    assert output[-1] == marks["<|return|>"]
    assert all(each.reasons == [FinishReason.STOP] for name, each in told.items() if name != "free")
    assert told["free"].outputs == [alone(tiny_model, free)]
    engine.close()


def test_a_bad_schema_is_refused_before_anything_starts(tiny_model: LocalModel, tokenizer: Tokenizer) -> None:
    engine = TinyEngine(tiny_model, tokenizer)
    grammar = GrammarSpec.json_schema('{"type": "object", "properties": {"a": {"type": "intger"}}}')
    with pytest.raises(InvalidGrammarError, match="json_schema at /properties/a"):
        engine.submit(GenerationRequest("one", tokens(5, 1), GREEDY, grammar=grammar))
    assert not engine.core.has_work
    engine.close()


def test_the_reasoning_budget_closes_the_analysis(tiny_model: LocalModel, tokenizer: Tokenizer) -> None:
    prompt = tuple(tokenizer.encode_with_specials("<|start|>assistant<|channel|>analysis<|message|>"))
    letters = SamplingParameters(seed=3, logit_bias=dict.fromkeys(tokenizer.encode("abcd"), 50.0), logprobs=1)
    request = GenerationRequest("one", prompt, letters, max_tokens=60, reasoning_budget=7)
    (told,) = TinyEngine(tiny_model, tokenizer).run(request)
    closing = tokenizer.encode_with_specials("<|end|><|start|>assistant<|channel|>final<|message|>")
    assert told.outputs[0][7 : 7 + len(closing)] == closing
    assert set(told.outputs[0][:7]) <= set(tokenizer.encode("abcd"))
    assert [entry.chosen.token_id for entry in told.logprobs[0]] == told.outputs[0]
    assert told.end is not None
    assert told.end.usage.reasoning_tokens == 7
    assert told.end.usage.output_tokens == 60


def test_a_grammar_and_a_budget_together(tiny_model: LocalModel, tokenizer: Tokenizer) -> None:
    """The budget wants to close after 3 tokens; the grammar does not let it before the word is whole."""
    prompt = tuple(tokenizer.encode_with_specials("<|start|>assistant<|channel|>analysis<|message|>"))
    grammar = GrammarSpec.lark(
        'start: /[a-z]{5}/+ <|end|> <|start|> "assistant" <|channel|> "final" <|message|> /[0-9]{4}/'
    )
    request = GenerationRequest(
        "one", prompt, SamplingParameters(seed=1), max_tokens=90, reasoning_budget=3, grammar=grammar
    )
    engine = TinyEngine(tiny_model, tokenizer)
    (told,) = engine.run(request)
    assert told.reasons == [FinishReason.STOP]
    assert re.fullmatch(r"[a-z]{5}assistantfinal[0-9]{4}", told.texts[0])
    engine.close()


@pytest.mark.parametrize("budget", [0, 1, 2, 5, 7])
def test_drafts_and_a_reasoning_budget_together(
    tiny_model: LocalModel, tokenizer: Tokenizer, budget: int
) -> None:
    """A draft must not carry the reasoning over its budget, and the answer behind it is drafted again."""
    prompt = tuple(tokenizer.encode_with_specials("<|start|>assistant<|channel|>analysis<|message|>xx"))
    letters = SamplingParameters(temperature=0.0, logit_bias=dict.fromkeys(tokenizer.encode("x"), 90.0))
    request = GenerationRequest("one", prompt, letters, max_tokens=60, reasoning_budget=budget)
    (plain,) = TinyEngine(tiny_model, tokenizer).run(request)
    (drafted,) = TinyEngine(tiny_model, tokenizer, drafts=DraftSettings(shortest_match=1)).run(request)
    assert drafted.outputs == plain.outputs
    assert plain.end is not None
    assert drafted.end is not None
    assert drafted.end.usage.reasoning_tokens == plain.end.usage.reasoning_tokens == budget
    assert drafted.end.usage.accepted_tokens > 10


@pytest.mark.parametrize("stop", ["s", "final", "assistant", "nal"])
def test_stop_strings_are_not_found_in_headers(
    tiny_model: LocalModel, tokenizer: Tokenizer, stop: str
) -> None:
    prompt = tuple(tokenizer.encode_with_specials("<|start|>assistant<|channel|>analysis<|message|>"))
    letters = SamplingParameters(temperature=0.0, logit_bias=dict.fromkeys(tokenizer.encode("x"), 90.0))
    request = GenerationRequest(
        "one", prompt, letters, max_tokens=40, reasoning_budget=3, stop=StopRules(strings=(stop,))
    )
    (told,) = TinyEngine(tiny_model, tokenizer).run(request)
    assert told.reasons == [FinishReason.LENGTH]
    assert told.texts[0].startswith("xxxassistantfinalx")
