"""Any request arrives as it was sent; what a message may say and a request may not be is refused in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.sampling.parameters import SamplingParameters
from protos.errors import InvalidGrammarError, InvalidRequestError
from protos.gen.v1 import attention_pb2 as pb
from workers.attention.request_codec import request_from_message, request_to_message
from workers.engine.events import FinishReason
from workers.engine.request import GenerationRequest, Priority, StopRules
from workers.engine.written import Written, WrittenChoice
from workers.grammar.spec import GrammarSpec

TOKEN = st.integers(0, 201_087)
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=9)
PENALTY = st.floats(-2, 2)
SAMPLING = st.builds(
    SamplingParameters,
    temperature=st.floats(0, 2),
    top_k=st.none() | st.integers(1, 500),
    top_p=st.floats(0.01, 1),
    min_p=st.floats(0, 1),
    repetition_penalty=st.floats(0.1, 3),
    presence_penalty=PENALTY,
    frequency_penalty=PENALTY,
    logit_bias=st.dictionaries(TOKEN, st.floats(-100, 100), max_size=3),
    seed=st.integers(-(1 << 63), (1 << 63) - 1),
    logprobs=st.none() | st.integers(0, 20),
    prompt_logprobs=st.none() | st.integers(0, 20),
)
GRAMMAR = (
    st.just(GrammarSpec.json_object())
    | TEXT.map(GrammarSpec.regex)
    | TEXT.map(GrammarSpec.lark)
    | TEXT.map(GrammarSpec.json_schema)
    | st.lists(TEXT, min_size=1, max_size=3).map(lambda choices: GrammarSpec.choice(*choices))
)
WRITTEN = st.builds(
    WrittenChoice,
    token_ids=st.lists(TOKEN, max_size=5).map(tuple),
    num_characters=st.integers(0, 50),
) | st.builds(
    WrittenChoice,
    token_ids=st.lists(TOKEN, max_size=5).map(tuple),
    num_characters=st.integers(0, 50),
    finish=st.sampled_from(FinishReason),
    num_hidden=st.integers(0, 9),
)


@st.composite
def requests(draw: st.DrawFn) -> GenerationRequest:
    num_choices = draw(st.integers(1, 4))
    min_tokens = draw(st.integers(0, 9))
    choices = st.tuples(*[WRITTEN] * num_choices)
    return GenerationRequest(
        "here",
        draw(st.lists(TOKEN, min_size=1, max_size=9).map(tuple)),
        draw(SAMPLING),
        max_tokens=draw(st.none() | st.integers(min_tokens, 500)),
        min_tokens=min_tokens,
        num_choices=num_choices,
        stop=StopRules(
            draw(st.lists(TEXT, max_size=3).map(tuple)),
            draw(st.frozensets(TOKEN, max_size=3)),
            draw(st.booleans()),
        ),
        grammar=draw(st.none() | GRAMMAR),
        reasoning_budget=draw(st.none() | st.integers(0, 99)),
        echo=draw(st.booleans()),
        priority=draw(st.sampled_from(Priority)),
        timeout_s=draw(st.none() | st.floats(0.001, 1e6)),
        cache_salt=draw(st.binary(max_size=9)),
        written=draw(st.none() | st.builds(Written, choices, st.booleans())),
    )


@given(requests())
def test_a_request_arrives_as_it_was_sent(request: GenerationRequest) -> None:
    sent = request_to_message(request, "on the wire").SerializeToString()
    message = pb.GenerationRequest.FromString(sent)
    assert message.request_id == "on the wire"
    assert request_from_message(message, "here") == request


def test_what_a_message_leaves_out_is_our_default() -> None:
    message = pb.GenerationRequest(request_id="far", prompt=[5, 6])
    assert request_from_message(message, "here") == GenerationRequest("here", (5, 6))


def test_zero_is_not_absent() -> None:
    message = pb.GenerationRequest(prompt=[5], max_tokens=0, sampling=pb.SamplingParameters(temperature=0.0))
    request = request_from_message(message, "here")
    assert (request.max_tokens, request.sampling.temperature) == (0, 0.0)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (pb.GenerationRequest(), "the prompt is empty"),
        (pb.GenerationRequest(prompt=[1], priority=9), "priority is 9"),  # type: ignore[arg-type]
        (pb.GenerationRequest(prompt=[1], num_choices=0), "num_choices is 0"),
        (pb.GenerationRequest(prompt=[1], timeout_s=float("nan")), "timeout_s is nan"),
        (pb.GenerationRequest(prompt=[1], sampling=pb.SamplingParameters(top_p=7.0)), "top_p is 7"),
        (pb.GenerationRequest(prompt=[1], stop=pb.StopRules(strings=[""])), "a stop string has 0 bytes"),
        (pb.GenerationRequest(prompt=[1], written=pb.Written()), "0 choices are written already"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_is_refused(message: pb.GenerationRequest, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        request_from_message(message, "here")


@pytest.mark.parametrize(
    ("grammar", "words"),
    [
        (pb.GrammarSpec(), "the kind of grammar is 0"),
        (pb.GrammarSpec(kind=pb.GRAMMAR_KIND_REGEX), "the text is empty"),
        (
            pb.GrammarSpec(kind=pb.GRAMMAR_KIND_REGEX, text="a", choices=["b"]),
            "1 choices are given; it takes none",
        ),
        (
            pb.GrammarSpec(kind=pb.GRAMMAR_KIND_CHOICE, text="a", choices=["b"]),
            "a text of 1 characters is given",
        ),
        (pb.GrammarSpec(kind=pb.GRAMMAR_KIND_JSON_OBJECT, text="a"), "a text of 1 characters is given"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_grammar_that_cannot_be_is_refused(grammar: pb.GrammarSpec, words: str) -> None:
    with pytest.raises(InvalidGrammarError, match=words):
        request_from_message(pb.GenerationRequest(prompt=[1], grammar=grammar), "here")


@pytest.mark.parametrize(
    "request_",
    [
        GenerationRequest("one", (1,), max_tokens=1 << 40),
        GenerationRequest("one", (-1,)),
        GenerationRequest("one", (1,), SamplingParameters(logit_bias={-5: 1.0})),
    ],
    ids=["max_tokens", "prompt", "logit_bias"],
)
def test_a_number_that_no_message_holds_is_refused_where_it_is_sent(request_: GenerationRequest) -> None:
    with pytest.raises(InvalidRequestError, match="cannot be sent to an attention worker"):
        request_to_message(request_, "far")
