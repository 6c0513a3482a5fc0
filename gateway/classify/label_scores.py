"""How likely a model finds each of some continuations of a prompt: exact log-probabilities, token by token.

Each token that any of them has is looked up once, by a request for one token behind the tokens before it: the
prefix cache makes that cheap. The bias only brings the token up; log-probabilities are the model's own. Those
of a prompt would take one request a continuation, but of a scored prompt nothing is found in the cache.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from gateway.classify.together import together
from gateway.options import GenerationOptions
from gateway.text.text_request import TextRequest
from gateway.text.text_result import TextResult
from model.sampling.parameters import MAX_LOGPROBS, SamplingParameters
from workers.engine.request import Priority, StopRules

BIAS = 100.0

Ask = Callable[[TextRequest], Awaitable[TextResult]]
Tokens = tuple[int, ...]


async def score(
    prompt: Tokens, continuations: Sequence[Tokens], ask: Ask, priority: Priority, timeout_s: float | None
) -> list[float]:
    """One log-probability a continuation. A token that no bias brings up counts as e^-100."""
    followers = _followers(continuations)
    looked_up = await together(
        _next_logprobs(prompt + before, tokens, ask, priority, timeout_s)
        for before, tokens in followers.items()
    )
    logprobs = dict(zip(followers, looked_up, strict=True))
    return [
        sum(logprobs[tokens[:index]][token_id] for index, token_id in enumerate(tokens))
        for tokens in continuations
    ]


def _followers(continuations: Sequence[Tokens]) -> Mapping[Tokens, Sequence[int]]:
    """What may follow each beginning of a continuation: a tree."""
    followers: dict[Tokens, dict[int, None]] = {}
    for tokens in continuations:
        for index, token_id in enumerate(tokens):
            followers.setdefault(tokens[:index], {})[token_id] = None
    return {before: tuple(tokens) for before, tokens in followers.items()}


async def _next_logprobs(
    prompt: Tokens, wanted: Sequence[int], ask: Ask, priority: Priority, timeout_s: float | None
) -> Mapping[int, float]:
    """Of tokens that may follow the prompt. A request often tells of several: the likeliest come with it."""
    found: dict[int, float] = {}
    for token_id in wanted:
        if token_id in found:
            continue
        request = TextRequest(prompt, _one_token(token_id, priority, timeout_s))
        (position,) = (await ask(request)).choices[0].logprobs
        told = {entry.token_id: entry.logprob for entry in (*position.top, position.chosen)}
        found |= told
        found.setdefault(token_id, -BIAS)
    return found


def _one_token(token_id: int, priority: Priority, timeout_s: float | None) -> GenerationOptions:
    sampling = SamplingParameters(temperature=0.0, logit_bias={token_id: BIAS}, logprobs=MAX_LOGPROBS)
    return GenerationOptions(
        sampling,
        max_tokens=1,
        stop=StopRules(model_stops=False),
        priority=priority,
        timeout_s=timeout_s,
    )
