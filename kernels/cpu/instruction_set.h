// The instruction sets that kernels have forms for, and the form that serves one.

#pragma once

#include <cstdint>

namespace expertmesh {

enum class InstructionSet : int32_t { plain = 0, avx2 = 1, avx512 = 2 };

template <typename Form>
Form form_of(InstructionSet instructions, Form plain, Form avx2, Form avx512) {
    if (instructions == InstructionSet::avx512) return avx512;
    return instructions == InstructionSet::avx2 ? avx2 : plain;
}

}  // namespace expertmesh

// Elsewhere than on x86-64 the other two are not built, and must not be named.
#if defined(__x86_64__)
#define FORM_OF(instructions, plain, avx2, avx512) form_of(instructions, plain, avx2, avx512)
#else
#define FORM_OF(instructions, plain, avx2, avx512) ((void)(instructions), (plain))
#endif
