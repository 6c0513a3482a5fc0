"""What a gateway can do, whoever asks and on which face: open calls, find them again, count tokens.

It joins the parts and does nothing itself: harmony (`chat`), calls (`calls`), engines (`engine_link`). Both
faces call it, and nothing but it. Of one event loop.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import date
from typing import TypeVar

from gateway.calls.call import Call, CallKind, Translate
from gateway.calls.call_book import AnyCall, CallBook, CallRequest
from gateway.chat.chat_answer import ChatAnswer
from gateway.chat.chat_events import ChatEvent
from gateway.chat.chat_prompt import ChatPrompter
from gateway.chat.chat_request import ChatRequest
from gateway.engine_link.link import EngineLink
from gateway.harmony.envelope import Envelope
from gateway.harmony.vocabulary import HarmonyVocabulary
from gateway.options import GenerationOptions
from gateway.served_model import ServedModel
from gateway.text.text_request import TextRequest
from protos.errors import CallNotKeptError, InvalidGrammarError, NotReadyError
from workers.engine.events import Event, RequestEnded
from workers.engine.load import ServingState
from workers.engine.request import GenerationRequest
from workers.grammar.spec import GrammarSpec

E = TypeVar("E")
Tell = Callable[[ChatEvent], Sequence[E | RequestEnded]]


class Inference:
    """`text` and `chat` open calls; what the engine refuses, it refuses at the first batch of the call."""

    def __init__(
        self,
        link: EngineLink,
        model: ServedModel,
        book: CallBook,
        today: Callable[[], date] = date.today,
        *,
        is_enveloped: bool = False,
    ) -> None:
        """`is_enveloped`: malformed harmony is made impossible in every chat."""
        self.model = model
        self.book = book
        self._link = link
        self._vocabulary = HarmonyVocabulary.of(model.tokenizer)
        self._prompter = ChatPrompter(self._vocabulary, today, is_enveloped=is_enveloped)

    async def text(self, request: TextRequest, call: CallRequest) -> Call[Event]:
        """Its events are the engine's own."""
        if (known := self.book.known(call)) is not None:
            return known
        self.book.check_room(call)
        prompt = await self._prompt_of(request)
        wanted = _generation(call, prompt, request.options, request.grammar, echo=request.echo)
        return self.book.open(call, len(prompt), lambda: self._link.submit(wanted), lambda event: (event,))

    async def chat(self, request: ChatRequest, call: CallRequest) -> Call[ChatEvent]:
        return await self._chat(request, call, CallKind.CHAT, lambda answer: answer.translate)

    async def told_chat(
        self, request: ChatRequest, call: CallRequest, tell: Tell[E], opening: Sequence[E] = ()
    ) -> Call[E]:
        """A chat whose events are told in other words; its terminal one stays what it is."""
        return await self._chat(
            request,
            call,
            CallKind.TOLD,
            lambda answer: lambda event: [told for said in answer.translate(event) for told in tell(said)],
            opening,
        )

    def find(self, call_id: str, *kinds: CallKind) -> AnyCall:
        """One whose events are told in such words. Raises CallNotKeptError."""
        call = self.book.find(call_id)
        if call.terms.kind not in kinds:
            raise CallNotKeptError(
                f"the events of {call_id} are told in other words than are asked for here: it is of the kind "
                f"{call.terms.kind.value!r}; read it by the API that it was begun with"
            )
        return call

    def cancel(self, call_id: str) -> None:
        """Raises CallNotKeptError; a call that has ended stays as it is."""
        self.book.find(call_id).cancel()

    async def count_tokens(self, request: ChatRequest) -> int:
        """Of the prompt that this chat would be."""
        return len(await self.prompt_tokens(request))

    async def prompt_tokens(self, request: ChatRequest) -> tuple[int, ...]:
        """The prompt that this chat would be, to where the assistant's message begins."""
        return (await asyncio.to_thread(self._prompter.prompt, request)).token_ids

    async def tokenize(self, text: str) -> list[int]:
        return await asyncio.to_thread(self.model.tokenizer.encode, text)

    def check_ready(self) -> None:
        """Raises NotReadyError with the reason."""
        if self.book.is_draining:
            raise NotReadyError("this gateway is about to stop")
        load = self._link.load
        if load is None:
            raise NotReadyError("no attention worker can be reached")
        if load.state is not ServingState.SERVING:
            raise NotReadyError(f"the engine is {load.state}")

    def _submit(self, request: GenerationRequest, envelope: Envelope | None) -> AsyncGenerator[Event, None]:
        events = self._link.submit(request)
        return events if envelope is None else _explained(events, envelope)

    async def _chat(
        self,
        request: ChatRequest,
        call: CallRequest,
        kind: CallKind,
        translate_of: Callable[[ChatAnswer], Translate[E]],
        opening: Sequence[E] = (),
    ) -> Call[E]:
        if (known := self.book.known(call)) is not None:
            return known
        self.book.check_room(call)
        prompt = await asyncio.to_thread(self._prompter.prompt, request)
        grammar = None if prompt.envelope is None else prompt.envelope.spec
        wanted = _generation(call, prompt.token_ids, request.options, grammar)
        answer = ChatAnswer(self._vocabulary, request, call.call_id)
        return self.book.open(
            call,
            len(prompt.token_ids),
            lambda: self._submit(wanted, prompt.envelope),
            translate_of(answer),
            opening,
            kind,
        )

    async def _prompt_of(self, request: TextRequest) -> tuple[int, ...]:
        if isinstance(request.prompt, str):
            return tuple(await self.tokenize(request.prompt))
        self.model.check_tokens(request.prompt)
        return request.prompt


async def _explained(events: AsyncGenerator[Event, None], envelope: Envelope) -> AsyncGenerator[Event, None]:
    """What the engine says against the grammar, in words of what the client sent."""
    async with aclosing(events):
        try:
            async for event in events:
                yield event
        except InvalidGrammarError as error:
            raise envelope.explain(error) from error


def _generation(
    call: CallRequest,
    prompt: tuple[int, ...],
    options: GenerationOptions,
    grammar: GrammarSpec | None,
    *,
    echo: bool = False,
) -> GenerationRequest:
    return GenerationRequest(
        call.call_id,
        prompt,
        options.sampling,
        max_tokens=options.max_tokens,
        min_tokens=options.min_tokens,
        num_choices=options.num_choices,
        stop=options.stop,
        grammar=grammar,
        reasoning_budget=options.reasoning_budget,
        echo=echo,
        priority=options.priority,
        timeout_s=options.timeout_s,
        cache_salt=options.cache_salt,
    )
