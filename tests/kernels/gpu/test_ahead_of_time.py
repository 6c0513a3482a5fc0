"""Every kernel compiled for three GPUs that are not here: nothing spills, shared memory suffices, matrices
are multiplied by the matrix unit."""

import pytest

from kernels.gpu.configs import PREFILL_TILES
from tests.kernels.gpu.ahead_of_time import (
    CAPABILITY_TO_MATRIX_INSTRUCTION,
    CAPABILITY_TO_SHARED_BYTES,
    compile_for,
)
from tests.kernels.gpu.launches import Case, Multiplies, every_case

CASES = list(every_case())


@pytest.mark.parametrize("capability", CAPABILITY_TO_SHARED_BYTES)
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_compiles(case: Case, capability: int) -> None:
    compiled = compile_for(case.launch, capability)
    assert compiled.stack_bytes == 0
    assert 0 < compiled.registers <= 255
    assert compiled.shared_bytes <= CAPABILITY_TO_SHARED_BYTES[capability]
    assert "EXIT" in compiled.instructions
    match case.multiplies:
        case Multiplies.MANY:
            assert CAPABILITY_TO_MATRIX_INSTRUCTION[capability] in compiled.instructions
        case Multiplies.FEW:
            assert "HMMA" in compiled.instructions
        case Multiplies.NOTHING:
            assert not compiled.instructions & {"HMMA", *CAPABILITY_TO_MATRIX_INSTRUCTION.values()}


def test_the_tiles_of_every_size_are_compiled() -> None:
    heights = {case.launch.constants.get("HEIGHT") for case in CASES if "HEIGHT" in case.launch.constants}
    assert PREFILL_TILES.height in heights
    assert len(heights) >= 3
