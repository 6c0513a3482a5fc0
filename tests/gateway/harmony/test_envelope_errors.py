"""What is said against tools and response formats, in the words of whoever wrote them."""

import pytest

from gateway.harmony.envelope import envelope
from gateway.harmony.settings import FunctionTool
from gateway.harmony.vocabulary import HarmonyVocabulary
from protos.errors import InvalidGrammarError
from workers.grammar.compiler import GrammarCompiler
from workers.grammar.spec import MAX_GRAMMAR_BYTES, GrammarSpec

pytestmark = pytest.mark.xdist_group("o200k")  # one process holds the vocabulary

STRICT = FunctionTool("f", parameters={"not": {}}, is_strict=True)
DANGLING = FunctionTool("g", parameters={"$ref": "#/$defs/x"})
EXPLAINED = {
    "strict parameters": (
        envelope([STRICT]),
        "the parameters of 'functions.f': Unimplemented keys: [\"not\"]",
    ),
    "the second function": (
        envelope([FunctionTool("f"), DANGLING]),
        "the parameters of 'functions.g': Pointer '/$defs/x' does not exist",
    ),
    "a schema": (
        envelope(response=GrammarSpec.json_schema('{"$ref": "#/no"}')),
        "the response format: Pointer '/no' does not exist",
    ),
    "a regular expression": (
        envelope(response=GrammarSpec.regex("(?=a)b")),
        'the response format: invalid regex "(?=a)b" (in regex): look-around',
    ),
}


@pytest.mark.parametrize("name", EXPLAINED)
def test_an_error_names_what_the_client_has_written(compiler: GrammarCompiler, name: str) -> None:
    made, message = EXPLAINED[name]
    with pytest.raises(InvalidGrammarError) as caught:
        compiler.compile(made.spec)
    assert str(made.explain(caught.value)).startswith(message)


def test_what_cannot_be_enforced_is_passed_over_unless_a_function_is_strict(
    vocabulary: HarmonyVocabulary, compiler: GrammarCompiler
) -> None:
    lenient = FunctionTool("f", parameters={"properties": {"a": {"type": "integer"}}, "not": {}})
    call = "<|channel|>commentary to=functions.f<|message|>"
    before, number = map(vocabulary.tokenizer.encode_with_specials, (f'{call}{{"a":', "1"))
    compiled = compiler.compile(envelope([lenient]).spec)
    assert compiled.begin(before).accept(number[0])
    assert not compiled.begin(before).accept(vocabulary.tokenizer.encode("t")[0])
    assert not compiled.begin(vocabulary.tokenizer.encode_with_specials(call)).accept(number[0])


def test_errors_of_the_whole_say_so() -> None:
    large = FunctionTool("f", parameters={"type": "object", "title": "x" * MAX_GRAMMAR_BYTES})
    with pytest.raises(
        InvalidGrammarError, match=r"^the tools and the response format together: it has \d+ bytes"
    ):
        envelope([large])
    with pytest.raises(InvalidGrammarError, match="is a Lark grammar, which describes a whole output"):
        envelope(response=GrammarSpec.lark('start: "a"'))
    with pytest.raises(InvalidGrammarError, match="json_schema is not a JSON object"):
        envelope(response=GrammarSpec.json_schema("[1]"))


def test_another_error_stays_as_it_is() -> None:
    error = InvalidGrammarError("the grammar became too complex while it was followed")
    assert envelope().explain(error) is error
