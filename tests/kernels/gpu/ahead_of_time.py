"""Compiles a launch for a GPU that is not here, and reads what came out: registers, spills, instructions.

The launch is specialised as Triton would at run time (divisibility, constants), so what is looked at is what
would run; only Triton's own binder knows how, and it has no public name. Compiled kernels are kept in
Triton's cache.
"""

import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, make_backend
from triton.runtime.jit import create_function_from_signature

from kernels.gpu.launch import Launch

TOOLS = Path(triton.__file__).parent / "backends/nvidia/bin"

CAPABILITY_TO_SHARED_BYTES: Mapping[int, int] = {80: 163 << 10, 90: 227 << 10, 100: 227 << 10}
"""What one program may have; sm_80, sm_90 and sm_100."""

CAPABILITY_TO_MATRIX_INSTRUCTION: Mapping[int, str] = {80: "HMMA", 90: "HGMMA", 100: "UTCHMMA"}


@dataclass(frozen=True)
class Compiled:
    stack_bytes: int  # above zero: registers are spilled
    registers: int
    shared_bytes: int
    instructions: frozenset[str]


def compile_for(launch: Launch, capability: int) -> Compiled:
    target = GPUTarget("cuda", capability, 32)
    backend = make_backend(target)
    kernel = launch.kernel
    options = {"num_warps": launch.warps.num_warps, "num_stages": launch.warps.num_stages}
    bind = create_function_from_signature(kernel.signature, kernel.params, backend)
    bound, specialization, _ = bind(**launch.arguments, **launch.constants, **options)
    parsed, signature, constants, attributes = kernel._pack_args(
        backend, options, bound, specialization, None
    )
    source = ASTSource(kernel, signature, constants, attributes)
    compiled = triton.compile(source, target=target, options=parsed.__dict__)
    return _look_at(compiled.asm["cubin"], compiled.metadata.shared)


def _look_at(cubin: bytes, shared_bytes: int) -> Compiled:
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        usage = _tool("cuobjdump", "--dump-resource-usage", file.name)
        code = _tool("nvdisasm", "-c", file.name)
    registers, stack = (int(_only(rf"{name}:(\d+)", usage)) for name in ("REG", "STACK"))
    instructions = re.findall(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+ )?([A-Z]\w*)", code, flags=re.MULTILINE)
    return Compiled(stack, registers, shared_bytes, frozenset(instructions))


def _only(pattern: str, text: str) -> str:
    (found,) = re.findall(pattern, text)
    return str(found)


def _tool(name: str, *arguments: str) -> str:
    return subprocess.run([TOOLS / name, *arguments], capture_output=True, text=True, check=True).stdout
