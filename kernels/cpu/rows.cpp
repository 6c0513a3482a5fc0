// Which rows and which kernel serve an instruction set.

#include "rows.h"

#include "float_rows.h"
#include "int8_rows.h"

namespace expertmesh {
namespace {

// Not every processor with AVX-512 has VNNI; the bits are the same.
MultiplyInt8Tile int8_kernel_of(InstructionSet instructions) {
#if defined(__x86_64__)
    const bool has_vnni = __builtin_cpu_supports("avx512vnni");
    if (instructions == InstructionSet::avx512 && has_vnni) return multiply_int8_tile_avx512vnni;
    if (instructions != InstructionSet::plain) return multiply_int8_tile_avx2;
#endif
    (void)instructions;
    return multiply_int8_tile_plain;
}

}  // namespace

std::unique_ptr<Rows> make_rows(const GroupedMatmul& work) {
    if (work.activations == Activations::int8) {
        const RoundInt8 round = FORM_OF(work.instructions, round_int8_plain, round_int8_avx2, round_int8_avx512);
        return std::make_unique<Int8Rows>(work, round, int8_kernel_of(work.instructions));
    }
    const auto* kernel = FORM_OF(work.instructions, &TILE_KERNEL_PLAIN, &TILE_KERNEL_AVX2, &TILE_KERNEL_AVX512);
    return std::make_unique<FloatRows>(work, *kernel);
}

}  // namespace expertmesh
