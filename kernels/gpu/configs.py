"""How each kernel is launched: the sizes of its tiles and its warps, with the reason. One table, nothing
tuned at run time: a step takes the same time the first time and the last, and the same bits.

None of it was timed on a GPU. The reasons are what the compiler says for sm_80, sm_90 and sm_100 (registers,
spills, shared memory, instructions: `tests/kernels/gpu`) and arithmetic on the bytes; `make gpu` times them.
"""

from dataclasses import dataclass

from kernels.gpu.launch import Warps

ONE_WARP = Warps(num_warps=1, num_stages=1)


@dataclass(frozen=True, slots=True)
class ExpertTile:
    """Of the experts' matmuls: assignments × outputs, and blocks of 32 inputs in one turn of the loop."""

    height: int  # assignments
    outs: int  # outputs; gate_up takes as many gates and ups
    blocks: int
    warps: Warps


@dataclass(frozen=True, slots=True)
class ExpertTiles:
    """Both halves share their height, since one plan serves both."""

    gate_up: ExpertTile
    down: ExpertTile

    @property
    def height(self) -> int:
        return self.gate_up.height


# 16 is the least that all three architectures multiply. 64 outputs are the rows of one matrix instruction and
# make 45 programs an expert, so the four experts of a single token fill the 132 multiprocessors of an H100. 8
# blocks: only then has each thread 4 bytes of scales, which the compiler copies ahead; with 4 blocks the loop
# waits for them.
_DECODE = ExpertTile(height=16, outs=64, blocks=8, warps=Warps(num_warps=4, num_stages=3))
# Larger batches of decodes: reading the weights once for 32 rows costs what it costs for 16.
_SHORT = ExpertTile(height=32, outs=64, blocks=8, warps=Warps(num_warps=4, num_stages=3))
# Each decoded weight serves 64 rows. With a third stage gate_up spills on sm_80 (96 bytes), with 128 outputs
# nothing comes out for sm_100: its tensor memory is too small.
_PREFILL_GATE_UP = ExpertTile(height=64, outs=64, blocks=4, warps=Warps(num_warps=4, num_stages=2))
_PREFILL_DOWN = ExpertTile(height=64, outs=64, blocks=4, warps=Warps(num_warps=4, num_stages=3))

DECODE_TILES = ExpertTiles(gate_up=_DECODE, down=_DECODE)
SHORT_TILES = ExpertTiles(gate_up=_SHORT, down=_SHORT)
PREFILL_TILES = ExpertTiles(gate_up=_PREFILL_GATE_UP, down=_PREFILL_DOWN)

ROW_WARPS = Warps(num_warps=4, num_stages=1)
"""A row of 2880 values, or a token's heads: some 24 values a thread, enough loads in flight."""

COMBINE_PIECE = 1024
"""Three pieces a token, so that a batch of one is not one program alone."""


@dataclass(frozen=True, slots=True)
class DecodeAttention:
    chunk: int  # positions that one program takes
    block: int  # of them, in one turn of its loop
    warps: Warps


DECODE_ATTENTION = DecodeAttention(chunk=256, block=64, warps=Warps(num_warps=4, num_stages=3))
"""256 positions: a single sequence of 8k is 256 programs on eight KV heads, one of 1k is 32; its parts are
1.6 % of what it reads. 64 keys and values of 64 are 16 KB, of which three are on their way."""

MERGE_CHUNKS = 16
MERGE_WARPS = Warps(num_warps=2, num_stages=1)
"""Sixteen chunks of 64 values: two turns for 8k positions, and 16 loads of each thread in flight."""


@dataclass(frozen=True, slots=True)
class PrefillAttention:
    rows: int  # queries × heads of a group: what the matrix unit takes together
    block: int  # keys in one turn of the loop
    warps: Warps


PREFILL_ATTENTION = PrefillAttention(rows=128, block=64, warps=Warps(num_warps=8, num_stages=2))
"""16 tokens of eight heads share every key that is read. Two warp groups of 64 rows."""

PLAN_BLOCK = 1024
PLAN_WARPS = Warps(num_warps=4, num_stages=1)

CHOOSE_BLOCK = 4096
CHOOSE_WARPS = Warps(num_warps=8, num_stages=1)
"""One program a row, so it should be large: 16 scores a thread, 50 turns for a vocabulary of 201,088."""


def expert_tiles(num_assignments: int, num_experts: int) -> ExpertTiles:
    """By the rows that an expert has on average: both numbers are known without asking the GPU."""
    mean = num_assignments / num_experts
    if mean <= DECODE_TILES.height / 2:  # few experts have twice the average
        return DECODE_TILES
    return SHORT_TILES if mean <= SHORT_TILES.height else PREFILL_TILES
