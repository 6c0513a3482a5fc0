"""The fields that say how tokens are chosen: the same in chat and in completions.

Ranges are those of `model.sampling.parameters` and `workers.engine.request`, written down here too, so that
an error names the field and the OpenAPI document the limit.
"""

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from gateway.http_face.body_check import TAG
from gateway.http_face.body_model import BodyModel, Ignored
from gateway.options import GenerationOptions
from gateway.served_model import ServedModel
from model.sampling.parameters import MAX_BIASES, MAX_LOGPROBS, SamplingParameters
from protos.errors import InvalidRequestError
from workers.engine.request import MAX_CHOICES, MAX_STOP_BYTES, MAX_STOP_IDS, MAX_STOP_STRINGS, StopRules

_INT64 = 1 << 63
_STRING, _LIST = f"{TAG}string", f"{TAG}list"


def string_or_list(value: object) -> str | None:
    """The tag of a field that may be text or something with parts."""
    if isinstance(value, str):
        return _STRING
    return _LIST if isinstance(value, list | dict) else None


TokenId = Annotated[int, Field(ge=0, lt=1 << 31)]
TokenCount = Annotated[int, Field(ge=0, lt=1 << 31)]
StopString = Annotated[str, Field(min_length=1, max_length=MAX_STOP_BYTES)]
StopStrings = Annotated[list[StopString], Field(max_length=MAX_STOP_STRINGS)]
Stop = Annotated[
    Annotated[StopString, Tag(_STRING)] | Annotated[StopStrings, Tag(_LIST)], Discriminator(string_or_list)
]
Bias = Annotated[float, Field(ge=-100, le=100)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
TopLogprobs = Annotated[int, Field(ge=0, le=MAX_LOGPROBS)]


class StreamOptions(BodyModel):
    include_usage: Annotated[bool | None, Field(description="a last chunk with the usage")] = None
    include_obfuscation: Annotated[bool | None, Ignored("nothing is padded")] = None


class GenerationBody(BodyModel):
    """`options` gives what the engine is to know of these."""

    model: Annotated[str, Field(max_length=1024, description="a name that /v1/models lists")]
    max_tokens: Annotated[TokenCount | None, Field(description="of the answer, its reasoning included")] = (
        None
    )
    min_tokens: Annotated[TokenCount | None, Field(description="before which no stop counts")] = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    top_k: Annotated[int | None, Field(ge=1, lt=1 << 31)] = None
    min_p: Annotated[float | None, Field(ge=0, le=1)] = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repetition_penalty: Annotated[float | None, Field(gt=0, le=1e6)] = None
    logit_bias: Annotated[
        dict[str, Bias] | None, Field(max_length=MAX_BIASES, description="token id to bias")
    ] = None
    seed: Annotated[int | None, Field(ge=-_INT64, lt=_INT64)] = None
    n: Annotated[int | None, Field(ge=1, le=MAX_CHOICES, description="choices")] = None
    stop: Annotated[Stop | None, Field(description="not looked for in the reasoning")] = None
    stop_token_ids: Annotated[list[TokenId] | None, Field(max_length=MAX_STOP_IDS, fail_fast=True)] = None
    stream: bool | None = None
    stream_options: Annotated[StreamOptions | None, Field(description="only with stream")] = None
    user: Annotated[Any, Ignored("nothing here depends on the end user")] = None

    @property
    def is_stream(self) -> bool:
        return bool(self.stream)

    @property
    def num_choices(self) -> int:
        return 1 if self.n is None else self.n

    @property
    def wants_usage_chunk(self) -> bool:
        """Raises InvalidRequestError for options of a stream where there is none."""
        if self.stream_options is None:
            return False
        if not self.stream:
            raise InvalidRequestError(
                "stream_options stands without stream; send stream: true, or leave it out"
            ).about("stream_options")
        return bool(self.stream_options.include_usage)

    def check_vocabulary(self, model: ServedModel) -> None:
        """Tokens that are named are tokens of this model."""
        vocab_size = model.tokenizer.vocab_size
        named = {"logit_bias": list(self._biases()), "stop_token_ids": self.stop_token_ids or []}
        for field, token_ids in named.items():
            wrong = next((token_id for token_id in token_ids if token_id >= vocab_size), None)
            if wrong is not None:
                raise InvalidRequestError(
                    f"{field} names the token {wrong}; the vocabulary has the tokens 0 to {vocab_size - 1}"
                ).about(field)

    def options(
        self,
        max_tokens: int | None,
        logprobs: int | None,
        *,
        prompt_logprobs: int | None = None,
        reasoning_budget: int | None = None,
        model_stops: bool = True,
    ) -> GenerationOptions:
        return GenerationOptions(
            sampling=self._sampling(logprobs, prompt_logprobs),
            max_tokens=max_tokens,
            min_tokens=self._min_tokens(max_tokens),
            num_choices=self.num_choices,
            stop=StopRules(self._stop_strings(), frozenset(self.stop_token_ids or ()), model_stops),
            reasoning_budget=reasoning_budget,
        )

    def _sampling(self, logprobs: int | None, prompt_logprobs: int | None) -> SamplingParameters:
        given = {name: getattr(self, name) for name in _SAMPLING if getattr(self, name) is not None}
        return SamplingParameters(
            **given, logit_bias=self._biases(), logprobs=logprobs, prompt_logprobs=prompt_logprobs
        )

    def _biases(self) -> dict[int, float]:
        biases: dict[int, float] = {}
        for name, bias in (self.logit_bias or {}).items():
            if not (name.isascii() and name.isdecimal() and len(name) < 10):
                raise InvalidRequestError(
                    f"logit_bias has the key {name[:60]!r}; keys are token ids, such as {'1734'!r}"
                ).about("logit_bias")
            biases[int(name)] = bias
        return biases

    def _min_tokens(self, max_tokens: int | None) -> int:
        least = self.min_tokens or 0
        if max_tokens is not None and least > max_tokens:
            raise InvalidRequestError(
                f"min_tokens is {least}, and at most {max_tokens} are generated; it cannot be more"
            ).about("min_tokens")
        return least

    def _stop_strings(self) -> tuple[str, ...]:
        strings = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        too_long = next((text for text in strings if len(text.encode()) > MAX_STOP_BYTES), None)
        if too_long is not None:
            raise InvalidRequestError(
                f"a stop string has {len(too_long.encode())} bytes; at most {MAX_STOP_BYTES} are taken"
            ).about("stop")
        return strings


_SAMPLING = (
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "seed",
)
"""Fields that are called the same in SamplingParameters."""
