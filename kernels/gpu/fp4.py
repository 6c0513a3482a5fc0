"""Four-bit floats become bfloat16 in registers, the block's scale included: four of a 16-bit word at a time.

    nibble s e e m  ->  bits  s 000000ee m000000  of a bfloat16  =  value · 2⁻¹²⁶, for every nibble

The bits only move; the subnormal 0.5 needs no case of its own. One multiplication by 2^(scale − 1), also a
bfloat16, takes the power back and applies the block's scale: exact, since a weight has two significant bits.
`kernels.gpu.expert_layout` has refused scales whose factor would not be finite.

A register holds two words, so each nibble and its fellow lie 16 bits apart, as two bfloat16 of one register
do: 15 operations on bits and 4 multiplications for eight weights. In the interpreter (`operand` float32) the
same bits move in float32. What the assembly does is shown by running its text over every word (test_fp4.py).
"""

import triton
import triton.language as tl

# $0 … $3: nibble 0 … 3 of two words, as two bfloat16; $4: two words; $5: two factors.
ASSEMBLY = """
{
.reg .b32 sign, size, zero;
mov.b32 zero, 0x80008000;
shl.b32 size, $4, 6;
and.b32 size, size, 0x01C001C0;
shl.b32 sign, $4, 12;
and.b32 sign, sign, 0x80008000;
or.b32 size, size, sign;
fma.rn.bf16x2 $0, size, $5, zero;
shl.b32 size, $4, 2;
and.b32 size, size, 0x01C001C0;
shl.b32 sign, $4, 8;
and.b32 sign, sign, 0x80008000;
or.b32 size, size, sign;
fma.rn.bf16x2 $1, size, $5, zero;
shr.b32 size, $4, 2;
and.b32 size, size, 0x01C001C0;
shl.b32 sign, $4, 4;
and.b32 sign, sign, 0x80008000;
or.b32 size, size, sign;
fma.rn.bf16x2 $2, size, $5, zero;
shr.b32 size, $4, 6;
and.b32 size, size, 0x01C001C0;
and.b32 sign, $4, 0x80008000;
or.b32 size, size, sign;
fma.rn.bf16x2 $3, size, $5, zero;
}
"""
_ASSEMBLY = tl.constexpr(ASSEMBLY)


@triton.jit
def decode(
    words: tl.tensor, scales: tl.tensor, OPERAND: tl.constexpr
) -> tuple[tl.tensor, tl.tensor, tl.tensor, tl.tensor]:
    """words: [outs, blocks · 8] int16, scales: [outs, blocks] uint8 -> nibble 0 … 3, each shaped as words."""
    OUTS: tl.constexpr = scales.shape[0]
    BLOCKS: tl.constexpr = scales.shape[1]
    if tl.bfloat16 == OPERAND:
        factors = ((scales.to(tl.int16) + 126) << 7).to(tl.bfloat16, bitcast=True)
    else:
        factors = ((scales.to(tl.int32) + 126) << 23).to(tl.float32, bitcast=True)
    factors = tl.broadcast_to(factors[:, :, None], (OUTS, BLOCKS, 8))
    factors = tl.reshape(factors, (OUTS, BLOCKS * 8))
    if tl.bfloat16 == OPERAND:
        first, second, third, fourth = tl.inline_asm_elementwise(
            asm=_ASSEMBLY,
            constraints="=&r,=&r,=&r,=&r,r,r",
            args=[words, factors],
            dtype=(tl.bfloat16, tl.bfloat16, tl.bfloat16, tl.bfloat16),
            is_pure=True,
            pack=2,
        )
    else:
        bits = words.to(tl.int32)
        first = _widen(bits) * factors
        second = _widen(bits >> 4) * factors
        third = _widen(bits >> 8) * factors
        fourth = _widen(bits >> 12) * factors
    return first, second, third, fourth


@triton.jit
def _widen(bits: tl.tensor) -> tl.tensor:
    """[…] int32 -> float32, the value of the lowest nibble · 2⁻¹²⁶"""
    return (((bits & 7) << 22) | ((bits & 8) << 28)).to(tl.float32, bitcast=True)
