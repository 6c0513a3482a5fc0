"""What a client of a link hears, put together."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field

from gateway.engine_link.link import EngineLink
from model.sampling.sampled_tokens import PositionLogprobs
from protos.errors import ExpertMeshError
from workers.engine.events import ChoiceDelta, PromptEcho, RequestEnded
from workers.engine.request import GenerationRequest


@dataclass(slots=True)
class Heard:
    """Of one request; equal answers are equal."""

    token_ids: dict[int, list[int]] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    logprobs: dict[int, list[PositionLogprobs]] = field(default_factory=dict)
    ends: dict[int, object] = field(default_factory=dict)
    echoes: list[PromptEcho] = field(default_factory=list)
    num_output: int | None = None
    error: ExpertMeshError | None = None

    @property
    def num_tokens(self) -> int:
        return sum(map(len, self.token_ids.values()))

    def take(self, delta: ChoiceDelta) -> None:
        assert delta.choice not in self.ends, "nothing of a choice follows its finish"
        self.token_ids.setdefault(delta.choice, []).extend(delta.token_ids)
        self.texts[delta.choice] = self.texts.get(delta.choice, "") + delta.text
        self.logprobs.setdefault(delta.choice, []).extend(delta.logprobs)
        if delta.finish is not None:
            self.ends[delta.choice] = (delta.finish, delta.stopped_by, delta.num_hidden)


async def listen(link: EngineLink, request: GenerationRequest, heard: Heard | None = None) -> Heard:
    """To the terminal event, which is exactly one."""
    heard = Heard() if heard is None else heard
    async with aclosing(link.submit(request)) as events:
        async for event in events:
            assert event.request_id == request.request_id
            assert heard.num_output is None, "nothing follows the terminal event"
            match event:
                case PromptEcho():
                    heard.echoes.append(event)
                case ChoiceDelta():
                    heard.take(event)
                case RequestEnded():
                    heard.num_output, heard.error = event.usage.output_tokens, event.error
    assert heard.num_output is not None, "there is a terminal event"
    return heard


async def nothing_is_left() -> None:
    """Whatever was started in this event loop has ended."""
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})


async def until(condition: object, patience_s: float = 30.0) -> None:
    """Wait for a condition with a deadline."""
    assert callable(condition)
    async with asyncio.timeout(patience_s):
        while not condition():
            await asyncio.sleep(0.002)
