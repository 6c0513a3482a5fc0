"""What the assembly of kernels/gpu/fp4.py does, by running its text over every word."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from kernels.gpu.expert_layout import MAX_SCALE
from kernels.gpu.fp4 import ASSEMBLY
from kernels.mxfp4 import PackedMatrix, dequantize

Registers = NDArray[Any]  # of uint32, which no sum or shift with a plain number keeps in its type

EVERY_WORD = np.arange(1 << 16, dtype=np.uint32)


def bf16x2_fma(a: Registers, b: Registers, c: Registers) -> Registers:
    """a · b + c of two bfloat16 each. c is −0 here, so the sum adds nothing and the product must be exact."""
    assert (c == 0x80008000).all()
    halves = []
    for shift in (0, 16):
        first, second = (_float((operand >> shift) << 16) for operand in (a, b))
        product = (first.astype(np.float64) * second).astype(np.float32)
        bits = product.view(np.uint32)
        assert (bits & 0xFFFF == 0).all(), "the product needs rounding"
        halves.append(bits >> 16)
    return halves[0] | halves[1] << 16


def _float(bits: Registers) -> NDArray[np.float32]:
    return (bits & 0xFFFF0000).astype(np.uint32).view(np.float32)


OPERATIONS: dict[str, Callable[..., Registers]] = {
    "mov.b32": lambda a: a,
    "shl.b32": lambda a, b: a << b,
    "shr.b32": lambda a, b: a >> b,
    "and.b32": lambda a, b: a & b,
    "or.b32": lambda a, b: a | b,
    "fma.rn.bf16x2": bf16x2_fma,
}


def run(assembly: str, words: Registers, factors: Registers) -> list[Registers]:
    """-> $0 … $3"""
    registers: dict[str, Registers] = {"$4": words, "$5": factors}

    def value(operand: str) -> Registers:
        number = re.fullmatch(r"0x[0-9A-F]+|\d+", operand)
        return np.full_like(words, int(operand, 0)) if number else registers[operand]

    for line in re.findall(r"^(\w+\.\S+ .*);$", assembly, flags=re.MULTILINE):
        operation, _, operands = line.partition(" ")
        target, *sources = operands.split(", ")
        registers[target] = OPERATIONS[operation](*map(value, sources))
    return [registers[f"${index}"] for index in range(4)]


def expected(nibbles: Registers, scale: int) -> NDArray[np.float32]:
    """By the definition: a block whose first value is the nibble."""
    blocks = torch.zeros(len(nibbles), 1, 16, dtype=torch.uint8)
    blocks[:, 0, 0] = torch.from_numpy(nibbles.astype(np.uint8))
    scales = torch.full((len(nibbles), 1), scale, dtype=torch.uint8)
    found: NDArray[np.float32] = dequantize(PackedMatrix(blocks, scales), torch.float32)[:, 0].numpy()
    return found


@pytest.mark.parametrize("scale", [0, 1, 2, 100, 127, MAX_SCALE])
def test_every_word(scale: int) -> None:
    other = EVERY_WORD[::-1]  # in the upper half of the register
    factor = np.uint32((scale + 126) << 7)
    factors = np.full_like(EVERY_WORD, factor | factor << 16)
    for index, found in enumerate(run(ASSEMBLY, EVERY_WORD | other << 16, factors)):
        for bits, words in ((found << 16, EVERY_WORD), (found, other)):
            wanted = expected(words >> 4 * index & 15, scale)
            assert (_float(bits).view(np.uint32) == wanted.view(np.uint32)).all()  # zeros have signs


def test_halves_may_have_two_factors() -> None:
    words = np.array([0x00040002], dtype=np.uint32)  # 2 above, 1 below
    first, *_ = run(ASSEMBLY, words, np.array([(128 + 126) << 23 | (127 + 126) << 7], dtype=np.uint32))
    assert _float(first).item() == 2 * 2.0
    assert _float(first << 16).item() == 1.0


def test_a_wrong_shift_is_noticed() -> None:
    wrong = ASSEMBLY.replace("shl.b32 size, $4, 2", "shl.b32 size, $4, 3")
    assert wrong != ASSEMBLY
    factors = np.full_like(EVERY_WORD, (127 + 126) << 7)
    _, second, *_ = run(wrong, EVERY_WORD, factors)
    assert (_float(second << 16) != expected(EVERY_WORD >> 4 & 15, 127)).any()
