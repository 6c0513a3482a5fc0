// Data frames (docs/frames.md): found whole or not, given their checksum, and a dispatch written in one go.
//
// What is not a whole frame is not judged here: Python reads it again and says what is wrong with it.

#include <algorithm>
#include <cstring>

#include "frame_checksum.h"

namespace expertmesh {
namespace {

constexpr int64_t PREFIX = 20, ALIGNMENT = 64, MOST_SECTIONS = 32;
constexpr uint8_t VERSION = 1, FIRST_KIND = 1, LAST_KIND = 6, DISPATCH = 2;

template <typename Number>
Number read(const uint8_t* from) {
    Number value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

template <typename Number>
uint8_t* write(uint8_t* to, Number value) {
    std::memcpy(to, &value, sizeof value);
    return to + sizeof value;
}

int64_t aligned(int64_t position) { return (position + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

struct Section {
    int64_t begin, end;
};

struct Layout {
    int64_t header_length, num_sections;
    Section sections[MOST_SECTIONS];
};

// msgpack, as far as headers use it. Every function says whether it found what it must.
class Header {
   public:
    Header(const uint8_t* begin, int64_t length) : at_(begin), left_(length) {}

    bool is_at_end() const { return left_ == 0; }

    bool read_array(uint64_t& length) {
        uint64_t type;
        if (!take(1, type)) return false;
        length = type & 0x0F;
        return type >> 4 == 0x9 || (type == 0xDC && take(2, length));
    }

    bool read_natural(uint64_t& value) {
        if (!take(1, value)) return false;
        return value <= 0x7F || (value >= 0xCC && value <= 0xCF && take(1 << (value - 0xCC), value));
    }

    // A number, a text, bytes, true, false or nil.
    bool skip_field() {
        uint64_t type, length;
        if (!take(1, type)) return false;
        if (type <= 0x7F || type >= 0xE0 || type == 0xC0 || type == 0xC2 || type == 0xC3) return true;
        if (type >> 5 == 0x5) return skip(type & 0x1F);
        if (type == 0xCA || type == 0xCB) return skip(type == 0xCA ? 4 : 8);
        if (type >= 0xCC && type <= 0xD3) return skip(1 << (type & 3));
        if (type >= 0xC4 && type <= 0xC6) return take(1 << (type - 0xC4), length) && skip(length);
        return type >= 0xD9 && type <= 0xDB && take(1 << (type - 0xD9), length) && skip(length);
    }

   private:
    bool skip(uint64_t length) {
        if (length > static_cast<uint64_t>(left_)) return false;
        at_ += length;
        left_ -= static_cast<int64_t>(length);
        return true;
    }

    // The next bytes as a number, the highest first.
    bool take(int64_t length, uint64_t& value) {
        if (length > left_) return false;
        value = 0;
        for (int64_t index = 0; index < length; ++index) value = value << 8 | at_[index];
        return skip(static_cast<uint64_t>(length));
    }

    const uint8_t* at_;
    int64_t left_;
};

bool find_sections(const uint8_t* frame, int64_t length, Layout& layout) {
    Header header(frame + PREFIX, layout.header_length);
    uint64_t num_fields, num_sections;
    if (!header.read_array(num_fields) || num_fields == 0) return false;
    for (uint64_t field = 0; field + 1 < num_fields; ++field) {
        if (!header.skip_field()) return false;
    }
    if (!header.read_array(num_sections) || num_sections > MOST_SECTIONS) return false;
    layout.num_sections = static_cast<int64_t>(num_sections);
    int64_t position = aligned(PREFIX + layout.header_length);
    for (int64_t number = 0; number < layout.num_sections; ++number) {
        uint64_t section_length;
        if (!header.read_natural(section_length)) return false;
        if (position > length || section_length > static_cast<uint64_t>(length - position)) return false;
        layout.sections[number] = {position, position + static_cast<int64_t>(section_length)};
        position = aligned(layout.sections[number].end);
    }
    return header.is_at_end() && position == length;
}

bool find_layout(const uint8_t* frame, int64_t length, Layout& layout) {
    if (length < PREFIX || std::memcmp(frame, "XMSH", 4) != 0 || frame[8] != VERSION) return false;
    if (frame[9] < FIRST_KIND || frame[9] > LAST_KIND) return false;
    layout.header_length = read<uint16_t>(frame + 10);
    if (read<uint64_t>(frame + 12) != static_cast<uint64_t>(length)) return false;
    return PREFIX + layout.header_length <= length && find_sections(frame, length, layout);
}

uint32_t checksum_of(const uint8_t* frame, const Layout& layout) {
    uint32_t value = crc32(0, frame + 8, PREFIX - 8 + layout.header_length);
    for (int64_t number = 0; number < layout.num_sections; ++number) {
        const Section& section = layout.sections[number];
        value = crc32_of_section(value, frame + section.begin, section.end - section.begin);
    }
    return value;
}

// Zeros up to the next section. -> where it begins
uint8_t* pad(uint8_t* frame, uint8_t* to) {
    uint8_t* const end = frame + aligned(to - frame);
    std::fill(to, end, uint8_t{0});
    return end;
}

struct Dispatch {
    const int64_t *rows, *experts, *slots;  // [num_assignments]
    const float* weights;                   // by slot
    int64_t num_assignments;
    const uint8_t* x;       // [all rows] of row_bytes each
    const int64_t* tokens;  // [num_rows] which of them travel
    int64_t num_rows, row_bytes;
};

uint8_t* write_numbers(uint8_t* to, const Dispatch& work) {
    const auto narrow = [](int64_t number) { return static_cast<int32_t>(number); };
    for (int64_t i = 0; i < work.num_assignments; ++i) to = write(to, narrow(work.rows[i]));
    for (int64_t i = 0; i < work.num_assignments; ++i) to = write(to, narrow(work.experts[i]));
    for (int64_t i = 0; i < work.num_assignments; ++i) to = write(to, work.weights[work.slots[i]]);
    return to;
}

uint8_t* write_rows(uint8_t* to, const Dispatch& work) {
    for (int64_t row = 0; row < work.num_rows; ++row, to += work.row_bytes) {
        std::memcpy(to, work.x + work.tokens[row] * work.row_bytes, work.row_bytes);
    }
    return to;
}

}  // namespace
}  // namespace expertmesh

#define EXPORT extern "C" __attribute__((visibility("default")))

// -> how many numbers were written into `found`: the frame's address, its kind, the length of its header, and
// where each section begins and ends. 0: it is not whole, or has another checksum.
EXPORT int64_t expertmesh_read_frame(const uint8_t* frame, int64_t length, int64_t* found) {
    expertmesh::Layout layout;
    if (!expertmesh::find_layout(frame, length, layout)) return 0;
    if (expertmesh::checksum_of(frame, layout) != expertmesh::read<uint32_t>(frame + 4)) return 0;
    found[0] = static_cast<int64_t>(reinterpret_cast<intptr_t>(frame));
    found[1] = frame[9];
    found[2] = layout.header_length;
    std::memcpy(found + 3, layout.sections, sizeof(expertmesh::Section) * layout.num_sections);
    return 3 + 2 * layout.num_sections;
}

// Writes the prefix of a frame that is whole but for it; false: it is not.
EXPORT bool expertmesh_seal_frame(uint8_t* frame, int64_t length, int64_t kind, int64_t header_length) {
    using namespace expertmesh;
    std::memcpy(frame, "XMSH", 4);
    frame[8] = VERSION;
    frame[9] = static_cast<uint8_t>(kind);
    write(frame + 10, static_cast<uint16_t>(header_length));
    write(frame + 12, static_cast<uint64_t>(length));
    Layout layout;
    if (!find_layout(frame, length, layout)) return false;
    write(frame + 4, checksum_of(frame, layout));
    return true;
}

// `frame` has room for `length` bytes; false: a frame with this header is not so long.
EXPORT bool expertmesh_write_dispatch(uint8_t* frame, int64_t length, const uint8_t* header,
                                      int64_t header_length, const int64_t* rows, const int64_t* experts,
                                      const int64_t* slots, const float* weights, int64_t num_assignments,
                                      const uint8_t* x, const int64_t* tokens, int64_t num_rows,
                                      int64_t row_bytes) {
    using namespace expertmesh;
    const Dispatch work{rows, experts, slots, weights, num_assignments, x, tokens, num_rows, row_bytes};
    const int64_t begin = aligned(PREFIX + header_length);
    if (begin + aligned(12 * num_assignments) + aligned(num_rows * row_bytes) != length) return false;
    std::memcpy(frame + PREFIX, header, header_length);
    uint8_t* to = pad(frame, frame + PREFIX + header_length);
    to = pad(frame, write_numbers(to, work));
    pad(frame, write_rows(to, work));
    return expertmesh_seal_frame(frame, length, DISPATCH, header_length);
}
