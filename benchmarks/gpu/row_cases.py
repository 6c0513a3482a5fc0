"""The kernels that go token by token, at the batches of decode and at a prefill chunk."""

from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.gpu.case import Case, num_bytes
from benchmarks.gpu.stage import Machine
from kernels.choose import Draws, choose
from kernels.paging import PagedKeysValues
from kernels.rmsnorm import add_rmsnorm
from kernels.rope import RotaryTable, rotate
from kernels.rotate_store import rotate_and_store
from kernels.route import route

PAGE_SIZE = 16


def row_cases(machine: Machine) -> Iterator[Case]:
    for num_tokens in (*machine.sizes.batches, machine.sizes.prefill_chunk):
        yield _norm(machine, num_tokens)
        yield _route(machine, num_tokens)
        yield _rotate_and_store(machine, num_tokens)
    for num_rows in machine.sizes.batches:
        yield _choose(machine, num_rows)


def _values(machine: Machine, *shape: int) -> Tensor:
    return torch.randn(shape, device=machine.device, dtype=machine.dtype)


def _norm(machine: Machine, num_tokens: int) -> Case:
    config = machine.sizes.models[0].config
    x, delta = (_values(machine, num_tokens, config.hidden_size) for _ in range(2))
    scale = _values(machine, config.hidden_size)

    def reference() -> Tensor:
        total = (x + delta).double()
        return (
            total / (total.square().mean(dim=1, keepdim=True) + config.rms_norm_eps).sqrt() * scale.double()
        )

    return Case(
        f"add_rmsnorm, {num_tokens} tokens",
        lambda: add_rmsnorm(x, delta, scale, config.rms_norm_eps)[1],
        reference,
        4 * num_bytes(x),
    )


def _route(machine: Machine, num_tokens: int) -> Case:
    config = machine.sizes.models[-1].config
    logits = _values(machine, num_tokens, config.num_experts)
    top_k = config.experts_per_token
    return Case(
        f"route, {num_tokens} tokens",
        lambda: route(logits, top_k).weights,
        lambda: torch.softmax(logits.double().sort(dim=1, descending=True).values[:, :top_k], dim=1),
        num_bytes(logits) + num_tokens * top_k * 12,
    )


def _choose(machine: Machine, num_rows: int) -> Case:
    """Rows with every filter at work, of which one token is left: the draw itself is in no doubt."""
    vocab = machine.sizes.models[0].config.vocab_size
    scores = torch.randn(num_rows, vocab, device=machine.device)

    def reals(value: float) -> Tensor:
        return torch.full((num_rows,), value, dtype=torch.float64, device=machine.device)

    numbers = torch.arange(num_rows, device=machine.device)
    draws = Draws(
        temperature=reals(0.7),
        top_k=torch.ones_like(numbers),
        top_p=reals(0.9),
        min_p=reals(0.1),
        seeds=numbers,
        positions=numbers,
        choices=numbers,
    )
    return Case(
        f"choose with every filter, {num_rows} rows",
        lambda: choose(scores, draws),
        lambda: scores.argmax(dim=1).double(),
        num_bytes(scores),
    )


def _rotate_and_store(machine: Machine, num_tokens: int) -> Case:
    config, device = machine.sizes.models[0].config, machine.device
    qkv = _values(machine, num_tokens, config.query_width + 2 * config.kv_width)
    angle = torch.rand(config.max_positions, config.head_dim // 2, device=device) * 6
    positions = torch.randint(0, config.max_positions, (num_tokens,), device=device)
    shape = (-(-num_tokens // PAGE_SIZE), PAGE_SIZE, config.num_kv_heads, config.head_dim)
    cache = PagedKeysValues(_values(machine, *shape), _values(machine, *shape))
    slots = torch.randperm(shape[0] * PAGE_SIZE, device=device)[:num_tokens]
    table = RotaryTable(angle.cos(), angle.sin())
    wide_table = RotaryTable(table.cos.double(), table.sin.double())

    def with_what_was_stored(query: Tensor) -> Tensor:
        keys, values = (tensor.flatten(0, 1)[slots].flatten(1) for tensor in (cache.keys, cache.values))
        return torch.cat((query.flatten(1), keys, values), dim=1)

    def reference() -> Tensor:
        heads = qkv.double().view(num_tokens, -1, config.head_dim)
        turning = config.num_query_heads + config.num_kv_heads
        turned = rotate(heads[:, :turning], wide_table, positions)
        return torch.cat((turned, heads[:, turning:]), dim=1).flatten(1)

    return Case(
        f"rotate and store, {num_tokens} tokens",
        lambda: rotate_and_store(qkv, table, positions, cache, slots),
        reference,
        2 * num_bytes(qkv),
        gather=with_what_was_stored,
    )
