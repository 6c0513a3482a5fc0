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
"""A row of 2880 values or a token's heads: some 24 values a thread, enough loads in flight and nothing to share."""

COMBINE_PIECE = 1024
"""Three pieces a token, so that a batch of one is not one program alone."""

PLAN_BLOCK = 1024
PLAN_WARPS = Warps(num_warps=4, num_stages=1)


def expert_tiles(num_assignments: int, num_experts: int) -> ExpertTiles:
    """By the rows that an expert has on average: both numbers are known without asking the GPU."""
    mean = num_assignments / num_experts
    if mean <= DECODE_TILES.height / 2:  # few experts have twice the average
        return DECODE_TILES
    return SHORT_TILES if mean <= SHORT_TILES.height else PREFILL_TILES
