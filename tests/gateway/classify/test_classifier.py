"""Classification by an engine on paper: labels, probabilities, batches, errors."""

import math

import pytest

from gateway.calls.call_book import CallBook
from gateway.classify.classifier import Classifier
from gateway.classify.classify_request import ClassifyRequest
from gateway.engine_link.link import EngineLink
from gateway.harmony.settings import ReasoningEffort
from gateway.inference import Inference
from gateway.served_model import ServedModel
from model.tokenizer.tokenizer import Tokenizer
from protos.errors import BrokenLogitsError, InvalidRequestError, TooLargeError
from tests.gateway.classify.judging_link import DISLIKED, LIKED, JudgingLink
from tests.gateway.engine_link.hearing import nothing_is_left
from workers.engine.request import Priority

POLICY = "Everything about cats is allowed, and nothing about dogs."
LABELS = ("allowed", "refused", "refuse")
JUDGED = {"A cat sleeps.": "allowed", "A dog barks.": "refused", "A dog?": "refuse"}


def classifier(
    link: EngineLink, tokenizer: Tokenizer, *, max_asked: int = 64, limit: int = 3000
) -> Classifier:
    return Classifier(Inference(link, ServedModel("paper", tokenizer, limit, 0), CallBook()), max_asked)


@pytest.mark.parametrize("tells_tops", [False, True])
async def test_each_content_gets_its_label_in_order(tokenizer: Tokenizer, tells_tops: bool) -> None:
    link = JudgingLink(tokenizer, JUDGED, tells_tops=tells_tops)
    request = ClassifyRequest(POLICY, LABELS, tuple(JUDGED))
    classified = await classifier(link, tokenizer).classify(request, "call")
    assert [each.label for each in classified.classifications] == list(JUDGED.values())
    assert [each.rationale for each in classified.classifications] == [
        f"It is {label}." for label in JUDGED.values()
    ]
    for each in classified.classifications:
        assert sum(each.probabilities) == pytest.approx(1.0)
        assert each.probabilities[LABELS.index(each.label)] == max(each.probabilities)
    await nothing_is_left()


async def test_a_label_is_scored_as_the_whole_answer(tokenizer: Tokenizer) -> None:
    """ "refuse" begins "refused": only the end of the answer tells them apart."""
    link = JudgingLink(tokenizer, JUDGED)
    request = ClassifyRequest(POLICY, LABELS, ("A dog barks.",))
    (judged,) = (await classifier(link, tokenizer).classify(request, "call")).classifications
    allowed, refused, refuse = judged.logprobs
    assert refused == pytest.approx(8 * LIKED)  # seven letters and the end
    assert refuse == pytest.approx(6 * LIKED + DISLIKED)
    assert allowed == pytest.approx(8 * DISLIKED)
    weights = [math.exp(logprob) for logprob in judged.logprobs]
    assert judged.probabilities == pytest.approx([weight / sum(weights) for weight in weights])


async def test_the_prompt_is_the_policy_the_labels_and_the_content(tokenizer: Tokenizer) -> None:
    link = JudgingLink(tokenizer, JUDGED)
    request = ClassifyRequest(
        POLICY,
        LABELS,
        ("A cat sleeps.",),
        ReasoningEffort.HIGH,
        reasoning_budget=1000,
        priority=Priority.BATCH,
        timeout_s=9.0,
    )
    await classifier(link, tokenizer).classify(request, "call")
    reasoning, *scoring = link.requests
    text = tokenizer.decode(reasoning.prompt)
    assert "Reasoning: high" in text
    assert text.index(POLICY) < text.index("- allowed\n- refused\n- refuse") < text.index("A cat sleeps.")
    assert reasoning.max_tokens == 1000
    answer_begins = tokenizer.encode_with_specials("<|end|><|start|>assistant<|channel|>final<|message|>")
    prefix = (*reasoning.prompt, *tokenizer.encode("It is allowed."), *answer_begins)
    assert all(each.prompt[: len(prefix)] == prefix for each in scoring)
    assert {(each.priority, each.timeout_s) for each in link.requests} == {(Priority.BATCH, 9.0)}
    assert len({each.request_id for each in link.requests}) == len(link.requests)


async def test_no_token_is_looked_up_twice(tokenizer: Tokenizer) -> None:
    """The labels share beginnings: 7 + 7 letters, 'd' or the end, and two ends."""
    link = JudgingLink(tokenizer, JUDGED)
    await classifier(link, tokenizer).classify(ClassifyRequest(POLICY, LABELS, ("A dog?",)), "call")
    looked_up = [(each.prompt, *each.sampling.logit_bias) for each in link.requests[1:]]
    assert len(looked_up) == len(set(looked_up)) == 7 + 1 + 7 + 1 + 1


async def test_what_comes_with_the_likeliest_tokens_is_not_asked_for(tokenizer: Tokenizer) -> None:
    """The first letter of "refused" comes with the answer about that of "allowed"."""
    link = JudgingLink(tokenizer, JUDGED, tells_tops=True)
    await classifier(link, tokenizer).classify(ClassifyRequest(POLICY, LABELS, ("A dog barks.",)), "call")
    assert len(link.requests[1:]) == 7 + 1 + 7 + 1 + 1 - 1


async def test_reasoning_that_is_cut_is_closed(tokenizer: Tokenizer) -> None:
    link = JudgingLink(tokenizer, JUDGED)
    request = ClassifyRequest(POLICY, LABELS, ("A dog?",), reasoning_budget=5)
    (judged,) = (await classifier(link, tokenizer).classify(request, "call")).classifications
    assert (judged.rationale, judged.label) == ("It is", "refuse")


async def test_by_itself_it_reasons_as_long_as_there_is_room_for_a_label(tokenizer: Tokenizer) -> None:
    link = JudgingLink(tokenizer, JUDGED)
    made = classifier(link, tokenizer, limit=700)
    await made.classify(ClassifyRequest(POLICY, LABELS, ("A dog?",)), "call")
    reasoning = link.requests[0]
    assert reasoning.max_tokens is not None
    assert 0 < reasoning.max_tokens < 700 - len(reasoning.prompt)
    assert max(len(each.prompt) for each in link.requests) <= 700


async def test_what_it_has_cost(tokenizer: Tokenizer) -> None:
    link = JudgingLink(tokenizer, JUDGED)
    request = ClassifyRequest(POLICY, LABELS, ("A dog?", "A cat sleeps."))
    usage = (await classifier(link, tokenizer).classify(request, "call")).usage
    reasoning = [each for each in link.requests if not each.sampling.logit_bias]
    assert usage.prompt_tokens == sum(len(each.prompt) for each in reasoning)
    assert usage.output_tokens == len("It is refuse.") + 1 + 7 + len("It is allowed.") + 1 + 8
    assert usage.compute_s == pytest.approx(0.5 * len(link.requests))


async def test_only_so_much_is_asked_at_once(tokenizer: Tokenizer) -> None:
    link = JudgingLink(tokenizer, JUDGED)
    contents = ("A dog?", "A cat sleeps.", "A dog barks.") * 10
    classified = await classifier(link, tokenizer, max_asked=5).classify(
        ClassifyRequest(POLICY, LABELS, contents), "call"
    )
    assert [each.label for each in classified.classifications] == [JUDGED[content] for content in contents]
    assert link.most_running == 5


async def test_an_error_of_one_is_an_error_of_all(tokenizer: Tokenizer) -> None:
    link = JudgingLink(tokenizer, JUDGED, failure=BrokenLogitsError((0,)))
    request = ClassifyRequest(POLICY, LABELS, ("A dog?", "Who knows?", "A cat sleeps."))
    with pytest.raises(BrokenLogitsError):
        await classifier(link, tokenizer).classify(request, "call")
    assert link.num_running == 0
    await nothing_is_left()


@pytest.mark.parametrize(
    ("labels", "contents", "said"),
    [
        ((), ("a",), "0 labels are declared"),
        (("one",), ("a",), "1 labels are declared; a choice needs two"),
        (("a", "b", "a"), ("a",), "the label 'a' is declared twice"),
        (("a", " b"), ("a",), "a label is ' b'"),
        (("a", ""), ("a",), "a label is ''"),
        (("a", "b"), (), "there is nothing to classify"),
    ],
)
def test_what_cannot_be_classified(labels: tuple[str, ...], contents: tuple[str, ...], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        ClassifyRequest(POLICY, labels, contents)


def test_what_is_too_much() -> None:
    with pytest.raises(TooLargeError, match="65 labels are declared; at most 64"):
        ClassifyRequest(POLICY, tuple(map(str, range(65))), ("a",))
    with pytest.raises(TooLargeError, match="129 contents are given; at most 128"):
        ClassifyRequest(POLICY, LABELS, ("a",) * 129)
    with pytest.raises(InvalidRequestError, match="the policy is empty"):
        ClassifyRequest(" \n", LABELS, ("a",))
    with pytest.raises(TooLargeError, match="the policy has 400001 characters"):
        ClassifyRequest("p" * 400_001, LABELS, ("a",))
