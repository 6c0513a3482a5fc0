"""The body of a completion, field by field, and the TextRequests that it is: one for each prompt."""

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from gateway.http_face.answer_format import ResponseFormat, grammar_of
from gateway.http_face.body_check import TAG
from gateway.http_face.body_model import Ignored, Refused
from gateway.http_face.generation_body import GenerationBody, TokenId, TopLogprobs
from gateway.text.text_request import TextRequest
from protos.errors import InvalidRequestError
from workers.engine.request import MAX_CHOICES

DEFAULT_MAX_TOKENS = 16
"""As OpenAI has it."""


def _prompt_kind(value: object) -> str:
    """By the first entry; the others are then held to it."""
    if isinstance(value, str):
        return f"{TAG}text"
    first = value[0] if isinstance(value, list) and value else None
    if isinstance(first, list):
        return f"{TAG}token_lists"
    return f"{TAG}tokens" if isinstance(first, int) else f"{TAG}texts"


Tokens = Annotated[list[TokenId], Field(min_length=1, fail_fast=True)]
Prompt = Annotated[
    Annotated[str, Tag(f"{TAG}text"), Field(min_length=1)]
    | Annotated[list[Annotated[str, Field(min_length=1)]], Tag(f"{TAG}texts"), Field(min_length=1)]
    | Annotated[Tokens, Tag(f"{TAG}tokens")]
    | Annotated[list[Tokens], Tag(f"{TAG}token_lists"), Field(min_length=1, fail_fast=True)],
    Discriminator(_prompt_kind),
]


class CompletionBody(GenerationBody):
    """Fields of OpenAI's that are not here are unknown, and an error."""

    prompt: Annotated[
        Prompt, Field(description="a text, tokens, or a list of either; special tokens in texts are text")
    ]
    echo: Annotated[bool | None, Field(description="the prompt stands before the answer")] = None
    logprobs: Annotated[TopLogprobs | None, Field(description="how many of the likeliest tokens")] = None
    response_format: ResponseFormat | None = None
    ignore_eos: Annotated[bool | None, Field(description="the model's own stop tokens do not stop")] = None
    best_of: Annotated[Any, Refused("every choice is given; ask for n, and take the best", (1,))] = None
    suffix: Annotated[Any, Refused("gpt-oss was not trained to fill gaps", ("",))] = None
    prompt_cache_key: Annotated[Any, Ignored("prefixes are found by what they hold")] = None

    def requests(self) -> tuple[TextRequest, ...]:
        """Raises InvalidRequestError about the field."""
        prompts = self._prompts()
        if len(prompts) * self.num_choices > MAX_CHOICES:
            raise InvalidRequestError(
                f"{len(prompts)} prompts with n {self.num_choices} make {len(prompts) * self.num_choices} "
                f"choices; at most {MAX_CHOICES} are given at once"
            ).about("prompt" if len(prompts) > 1 else "n")
        options = self.options(
            DEFAULT_MAX_TOKENS if self.max_tokens is None else self.max_tokens,
            self.logprobs,
            prompt_logprobs=self.logprobs if self.echo else None,
            model_stops=not self.ignore_eos,
        )
        grammar = grammar_of(self.response_format)
        return tuple(TextRequest(prompt, options, grammar, bool(self.echo)) for prompt in prompts)

    def _prompts(self) -> list[str | tuple[int, ...]]:
        if isinstance(self.prompt, str):
            return [self.prompt]
        tokens: list[int] = []
        prompts: list[str | tuple[int, ...]] = []
        for each in self.prompt:
            if isinstance(each, int):
                tokens.append(each)
            else:
                prompts.append(each if isinstance(each, str) else tuple(each))
        return prompts or [tuple(tokens)]
