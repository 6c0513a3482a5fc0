"""Adjacent deltas of one kind and choice as one: what a slow reader is told in one piece. Pure."""

from collections.abc import Iterable, Iterator

from gateway.chat.chat_events import ChatEvent, ContentDelta, ReasoningDelta, ToolArgumentsDelta
from workers.engine.events import ChoiceDelta, Event


def joined(events: Iterable[Event | ChatEvent]) -> Iterator[Event | ChatEvent]:
    """What it says is the same; how many events it takes is not."""
    run: list[Event | ChatEvent] = []
    for event in events:
        if run and not _goes_on(run[-1], event):
            yield _one(run)
            run.clear()
        run.append(event)
    if run:
        yield _one(run)


def _goes_on(before: Event | ChatEvent, event: Event | ChatEvent) -> bool:
    match before, event:
        case ChoiceDelta(), ChoiceDelta():
            return before.choice == event.choice and before.finish is None
        case ReasoningDelta(), ReasoningDelta():
            return before.choice == event.choice
        case ContentDelta(), ContentDelta():
            return (before.choice, before.channel) == (event.choice, event.channel)
        case ToolArgumentsDelta(), ToolArgumentsDelta():
            return (before.choice, before.call_index) == (event.choice, event.call_index)
    return False


def _one(run: list[Event | ChatEvent]) -> Event | ChatEvent:
    """The last with all that the others have before it."""
    last = run[-1]
    if len(run) == 1:
        return last
    match last:
        case ChoiceDelta():
            deltas = [delta for delta in run if isinstance(delta, ChoiceDelta)]
            return last._replace(
                token_ids=tuple(token_id for delta in deltas for token_id in delta.token_ids),
                text="".join(delta.text for delta in deltas),
                logprobs=tuple(entry for delta in deltas for entry in delta.logprobs),
            )
        case ContentDelta():
            contents = [delta for delta in run if isinstance(delta, ContentDelta)]
            return last._replace(
                text="".join(delta.text for delta in contents),
                logprobs=tuple(entry for delta in contents for entry in delta.logprobs),
                num_tokens=sum(delta.num_tokens for delta in contents),
            )
        case ReasoningDelta() | ToolArgumentsDelta():
            others = [delta for delta in run if isinstance(delta, ReasoningDelta | ToolArgumentsDelta)]
            return last._replace(
                text="".join(delta.text for delta in others),
                num_tokens=sum(delta.num_tokens for delta in others),
            )
    raise AssertionError(f"{type(last).__name__} is never joined")
