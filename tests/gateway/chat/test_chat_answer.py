"""The engine's tokens as typed deltas: every kind, logprobs where they belong, ends, cut texts."""

from collections.abc import Sequence

import pytest

from gateway.chat.chat_answer import ChatAnswer
from gateway.chat.chat_events import (
    ChatEvent,
    ChatFinish,
    ChoiceEnded,
    ContentDelta,
    ReasoningDelta,
    ToolArgumentsDelta,
    ToolCallBegan,
)
from gateway.chat.chat_request import ChatRequest, ToolChoice, ToolUse
from gateway.chat.chat_result import ChatChoice, ChatResult
from gateway.chat.turns import ToolCall, UserTurn
from gateway.harmony.settings import Channel, FunctionTool
from gateway.options import GenerationOptions
from model.sampling.sampled_tokens import PositionLogprobs, TokenLogprob
from tests.gateway.vocabulary import byte_tokenizer, byte_vocabulary
from workers.engine.events import ChoiceDelta, FinishReason, PromptEcho, RequestEnded, Usage

REASONED = (
    "<|channel|>analysis<|message|>hm ü<|end|><|start|>assistant<|channel|>final<|message|>Yes, €2.<|return|>"
)
CALLED = "<|channel|>commentary to=functions.add <|constrain|>json<|message|>"
USAGE = Usage(3, 0, 4, 0, 0, 0, 0.0, 0.0)


def answer(tools: Sequence[str] = ("add",), *, choices: int = 1, use: ToolUse = ToolUse.AUTO) -> ChatAnswer:
    request = ChatRequest(
        (UserTurn("Hi"),),
        tuple(map(FunctionTool, tools)),
        ToolChoice(use),
        options=GenerationOptions(num_choices=choices),
    )
    return ChatAnswer(byte_vocabulary(), request, "call")


def deltas(
    script: str, *, choice: int = 0, per_delta: int = 1, finish: FinishReason = FinishReason.STOP
) -> list[ChoiceDelta]:
    tokenizer = byte_tokenizer()
    token_ids = tokenizer.encode_with_specials(script)
    parts = [tuple(token_ids[i : i + per_delta]) for i in range(0, len(token_ids), per_delta)]
    return [
        ChoiceDelta(
            "call",
            choice,
            part,
            tokenizer.decode(part),
            tuple(map(logprob, part)),
            finish if index + 1 == len(parts) else None,
        )
        for index, part in enumerate(parts)
    ]


def logprob(token_id: int) -> PositionLogprobs:
    return PositionLogprobs(TokenLogprob(token_id, -0.5), ())


def told(answering: ChatAnswer, *given: ChoiceDelta) -> list[ChatEvent]:
    return [event for delta in given for event in answering.translate(delta)]


def whole(events: Sequence[ChatEvent]) -> ChatChoice:
    result = ChatResult(1)
    result.take(events)
    return result.choices[0]


@pytest.mark.parametrize("per_delta", [1, 2, 5, 1000])
def test_reasoning_and_content_come_apart(per_delta: int) -> None:
    choice = whole(told(answer(), *deltas(REASONED, per_delta=per_delta)))
    assert (choice.reasoning, choice.content, choice.finish) == ("hm ü", "Yes, €2.", ChatFinish.STOP)
    scored = b"".join(byte_tokenizer().token_bytes(each.chosen.token_id) for each in choice.logprobs)
    assert scored == "Yes, €2.".encode(), "and no header's"


def test_every_delta_says_how_many_tokens_it_is_of() -> None:
    events = told(answer(), *deltas(REASONED))
    reasoning = [event for event in events if isinstance(event, ReasoningDelta)]
    assert sum(event.num_tokens for event in reasoning) == len("hm ü".encode())
    euro = next(event for event in events if isinstance(event, ContentDelta) and event.text == "€")
    assert (euro.num_tokens, len(euro.logprobs), euro.channel) == (3, 3, Channel.FINAL)


def test_a_call_begins_with_its_name_and_goes_on_with_arguments() -> None:
    script = f'<|channel|>commentary<|message|>I add.<|end|><|start|>assistant{CALLED}{{"a":1}}<|call|>'
    events = told(answer(), *deltas(script, per_delta=4))
    began = next(event for event in events if isinstance(event, ToolCallBegan))
    assert (began.choice, began.call_index, began.name) == (0, 0, "add")
    choice = whole(events)
    assert choice.preamble == "I add."
    assert choice.tool_calls == [ToolCall(began.call_id, "add", '{"a":1}')]
    assert choice.finish is ChatFinish.TOOL_CALLS
    assert whole(told(answer(), *deltas(script))).tool_calls == choice.tool_calls, "the same id again"


def test_a_call_without_arguments_has_an_empty_object() -> None:
    events = told(answer(), *deltas(f"{CALLED}<|call|>"))
    assert [event.text for event in events if isinstance(event, ToolArgumentsDelta)] == ["{}"]


@pytest.mark.parametrize("end", ["<|call|>", "<|end|>", "<|return|>"])
def test_a_call_that_ended_in_its_header_has_an_empty_object(end: str) -> None:
    (call,) = whole(told(answer(), *deltas(f"<|channel|>commentary to=functions.add{end}"))).tool_calls
    assert (call.name, call.arguments) == ("add", "{}")


def test_arguments_that_were_cut_before_they_began_are_not_made_up() -> None:
    choice = whole(told(answer(), *deltas(CALLED, finish=FinishReason.LENGTH)))
    assert [(call.name, call.arguments) for call in choice.tool_calls] == [("add", "")]
    assert choice.finish is ChatFinish.LENGTH


def test_half_of_a_name_calls_no_other_tool() -> None:
    """The model was about to write `get_weather`."""
    script = (
        "<|channel|>commentary<|message|>So.<|end|><|start|>assistant<|channel|>commentary to=functions.get"
    )
    events = told(answer(("get", "get_weather")), *deltas(script, finish=FinishReason.LENGTH))
    choice = whole(events)
    assert (choice.tool_calls, choice.preamble, choice.finish) == ([], "So.", ChatFinish.LENGTH)
    (end,) = [event for event in events if isinstance(event, ChoiceEnded)]
    assert end.num_recoveries == 1


def test_calls_of_two_choices_have_ids_of_their_own() -> None:
    answering = answer(choices=2)
    script = f"{CALLED}{{}}<|call|>"
    events = told(answering, *deltas(script, choice=1), *deltas(script))
    ids = [event.call_id for event in events if isinstance(event, ToolCallBegan)]
    assert len(set(ids)) == 2
    assert [event.choice for event in events if isinstance(event, ChoiceEnded)] == [1, 0]


def test_a_tool_that_may_not_be_used_is_no_call_and_nothing_is_lost() -> None:
    events = told(answer(use=ToolUse.NONE), *deltas(f'{CALLED}{{"a":1}}<|call|>'))
    choice = whole(events)
    assert (choice.tool_calls, choice.preamble) == ([], '{"a":1}')
    (end,) = [event for event in events if isinstance(event, ChoiceEnded)]
    assert (end.finish, end.num_recoveries) == (ChatFinish.STOP, 1)


@pytest.mark.parametrize(
    ("script", "finish"),
    [
        ("<|channel|>analysis<|message|>hm", ChatFinish.LENGTH_IN_REASONING),
        ("<|channel|>", ChatFinish.LENGTH_IN_REASONING),
        ("<|channel|>final<|message|>Ye", ChatFinish.LENGTH),
        (f'{CALLED}{{"a"', ChatFinish.LENGTH),
    ],
)
def test_an_answer_that_was_too_long_says_where_it_ended(script: str, finish: ChatFinish) -> None:
    events = told(answer(), *deltas(script, finish=FinishReason.LENGTH))
    assert whole(events).finish is finish


def test_a_stop_string_cuts_the_text_where_the_engine_did() -> None:
    *first, last = deltas("<|channel|>final<|message|>one.  t", per_delta=2)
    assert last.text == " t", "as if one token, of which only the blank is shown"
    cut = last._replace(text=" ", finish=FinishReason.STOP, stopped_by="two", num_hidden=1)
    choice = whole(told(answer(), *first, cut))
    assert (choice.content, choice.finish, choice.stopped_by) == ("one.  ", ChatFinish.STOP, "two")


def test_the_terminal_event_passes_and_an_echo_does_not() -> None:
    answering = answer()
    end = RequestEnded("call", USAGE)
    assert answering.translate(end) == (end,)
    assert answering.translate(PromptEcho("call", (1,), "x", ())) == ()
