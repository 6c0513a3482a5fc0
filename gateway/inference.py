"""What a gateway can do, whoever asks and on which face: open calls, find them again, count tokens.

It joins the parts and does nothing itself: harmony (`chat`), calls (`calls`), engines (`engine_link`). Both
faces call it, and nothing but it. Of one event loop.
"""

import asyncio
from collections.abc import Callable
from datetime import date

from gateway.calls.call import Call
from gateway.calls.call_book import AnyCall, CallBook, CallRequest
from gateway.chat.chat_answer import ChatAnswer
from gateway.chat.chat_events import ChatEvent
from gateway.chat.chat_prompt import ChatPrompter
from gateway.chat.chat_request import ChatRequest
from gateway.engine_link.link import EngineLink
from gateway.harmony.vocabulary import HarmonyVocabulary
from gateway.options import GenerationOptions
from gateway.served_model import ServedModel
from gateway.text.text_request import TextRequest
from protos.errors import NotReadyError
from workers.engine.events import Event
from workers.engine.load import ServingState
from workers.engine.request import GenerationRequest
from workers.grammar.spec import GrammarSpec


class Inference:
    """`text` and `chat` open calls; what the engine refuses, it refuses at the first batch of the call."""

    def __init__(
        self, link: EngineLink, model: ServedModel, book: CallBook, today: Callable[[], date] = date.today
    ) -> None:
        self.model = model
        self.book = book
        self._link = link
        self._vocabulary = HarmonyVocabulary.of(model.tokenizer)
        self._prompter = ChatPrompter(self._vocabulary, today)

    async def text(self, request: TextRequest, call: CallRequest) -> Call[Event]:
        """Its events are the engine's own."""
        if (known := self.book.known(call)) is not None:
            return known
        prompt = await self._prompt_of(request)
        wanted = _generation(call, prompt, request.options, request.grammar, echo=request.echo)
        return self.book.open(call, len(prompt), lambda: self._link.submit(wanted), lambda event: (event,))

    async def chat(self, request: ChatRequest, call: CallRequest) -> Call[ChatEvent]:
        if (known := self.book.known(call)) is not None:
            return known
        prompt = await asyncio.to_thread(self._prompter.prompt, request)
        wanted = _generation(call, prompt.token_ids, request.options, prompt.grammar)
        answer = ChatAnswer(self._vocabulary, request, call.call_id)
        return self.book.open(
            call, len(prompt.token_ids), lambda: self._link.submit(wanted), answer.translate
        )

    def find(self, call_id: str) -> AnyCall:
        """Raises CallNotKeptError."""
        return self.book.find(call_id)

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

    async def _prompt_of(self, request: TextRequest) -> tuple[int, ...]:
        if isinstance(request.prompt, str):
            return tuple(await self.tokenize(request.prompt))
        self.model.check_tokens(request.prompt)
        return request.prompt


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
