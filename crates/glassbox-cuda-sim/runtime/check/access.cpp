// Judges each access of a kernel: is the memory there, was it written, and does nobody else touch it at the same time?
#include "fences.h"
#include "shadow.h"

#include "../device/atomics.h"
#include "../memory.h"
#include "../scheduler.h"

#include <stdio.h>
#include <string.h>

#include <algorithm>

// Where the linker put this library, from its first byte to its last.
extern "C" __attribute__((visibility("hidden"))) const char __ehdr_start[];
extern "C" __attribute__((visibility("hidden"))) const char _end[];
// The linker puts this behind all shared memory, so that what follows there is known to be out of bounds.
__attribute__((section("glassbox_shared_behind"))) static char behind[256];

namespace sim::checker {
namespace {
Region statics, dynamic;
// The first launch is 2, so that a cell that nobody touched, whose stamp is 0, is not of the launch ahead of it.
uint32_t launch_stamp = 1, block_stamp;

struct Access {
    const char* place;
    size_t bytes;
    Kind kind;
    const void* code;
    const char* where;  // "global" or "shared"
};

const char* verb(Kind kind) { return kind == READ ? "reads" : kind == WRITE ? "writes" : "changes atomically"; }

std::string describe_position(const char* place) {
    memory::Block block = memory::before(place);
    if (block.begin == nullptr) return "";
    char text[120];
    snprintf(text, sizeof text, ", at byte %td of an allocation of %zu bytes", place - block.begin, block.bytes);
    return text;
}

Report::Line line_of(const Access& access) {
    char text[200];
    snprintf(text, sizeof text, "%s %s %zu bytes of %s memory", name_of(*current).c_str(), verb(access.kind),
             access.bytes, access.where);
    bool is_global = static_cast<size_t>(access.place - memory::arena) < memory::ARENA_BYTES;
    return {{nullptr, 0, access.code}, text + (is_global ? describe_position(access.place) : "")};
}

[[noreturn]] void refuse(Fault fault, const std::string& what, const Access& access) {
    fail({fault, what, {line_of(access)}});
}

[[noreturn]] void report_race(const Access& access, const Cell& cell, const Accesses* other) {
    bool was_write = other == &cell.writes;
    std::string others = name_of(other->who >> 10, other->who & 1023);
    others += was_write ? cell.writes_are_atomic ? " changed it atomically" : " wrote it" : " read it";
    others += ", and no barrier lies between";
    const char* what = access.kind == READ ? "race: read after write" : was_write ? "race: write after write" : "race: write after read";
    fail({LAUNCH_FAILED, what, {line_of(access), {{nullptr, 0, __ehdr_start + other->code}, others}}});
}

void judge_race(Cell& cell, uint32_t stamp, const Access& access) {
    uint32_t code = static_cast<uint32_t>(static_cast<const char*>(access.code) - __ehdr_start);
    const Accesses* other = touch(cell, stamp, access.kind, code);
    if (__builtin_expect(other != nullptr, 0)) report_race(access, cell, other);
}

// The running thread has not waited for the kernel ahead.
void judge_early(const Cell& cell, const Access& access) {
    const char* done = conflict_with_launch_ahead(cell, launch_stamp, access.kind);
    if (done != nullptr) refuse(LAUNCH_FAILED, std::string("race: the kernel ahead ") + done + " it, and was not waited for", access);
}

bool all_written(const unsigned char* states, size_t bytes) {
    uint64_t found = 0, wanted = 0x0202020202020202u;
    if (bytes == 4) {
        memcpy(&found, states, 4);
        return found == (wanted & 0xffffffffu);
    }
    return count_in_state(states, bytes, WRITTEN) == bytes;
}

void judge_states(unsigned char* states, const Access& access) {
    if (__builtin_expect(all_written(states, access.bytes), 1)) return;
    std::string memory = std::string(access.where) + " memory";
    for (size_t i = 0; i < access.bytes; ++i) {
        if (states[i] == RELEASED) refuse(ILLEGAL_ADDRESS, "use of freed memory", access);
        if (states[i] == OUTSIDE) refuse(ILLEGAL_ADDRESS, "out of bounds of " + memory, access);
        if (access.kind == WRITE) continue;
        if (states[i] == UNWRITTEN) refuse(LAUNCH_FAILED, "read of unwritten " + memory, access);
        if (states[i] == IN_FLIGHT)
            refuse(LAUNCH_FAILED, "read of shared memory that an asynchronous copy has not reached", access);
    }
    memset(states, WRITTEN, access.bytes);
}

bool is_smaller_than_a_word(size_t offset, size_t bytes) { return ((offset | bytes) & (WORD - 1)) != 0; }

void judge_global(size_t offset, const Access& access) {
    judge_states(global_states + offset, access);
    for (size_t done = 0; done < access.bytes;) {
        Page& page = global_page(offset + done);
        if (!page.by_byte && is_smaller_than_a_word(offset, access.bytes)) split(page);
        size_t step = page.by_byte ? 1 : WORD;
        Cell& cell = page.cells[(offset + done) % PAGE / step];
        if (is_kernel_ahead_running()) judge_early(cell, access);
        judge_race(cell, launch_stamp, access);
        if (access.kind == ATOMIC) clocks_at_exchange(cell);
        done += step;
    }
}

void judge_shared(Region& region, const Access& access) {
    size_t offset = static_cast<size_t>(access.place - region.begin);
    if (offset + access.bytes > region.bytes) refuse(ILLEGAL_ADDRESS, "out of bounds of shared memory", access);
    judge_states(region.states + offset, access);
    if (!region.by_byte && is_smaller_than_a_word(offset, access.bytes)) region.split();
    size_t step = region.by_byte ? 1 : WORD;
    for (size_t done = 0; done < access.bytes; done += step)
        judge_race(region.cells[(offset + done) / step], block_stamp, access);
}

// The shared memory of all kernels lies together, with `behind` at its end.
bool is_any_shared(const char* place) {
    static const char* first = [] {
        const char* least = behind;
        for (const Kernel* kernel = kernels; kernel != nullptr; kernel = kernel->next)
            least = std::min<const char*>(least, kernel->shared_begin);
        return least;
    }();
    return place >= first && place < behind + sizeof behind;
}

// Neither global nor this kernel's shared memory: constants are left.
void judge_elsewhere(const Access& access) {
    if (is_any_shared(access.place)) refuse(ILLEGAL_ADDRESS, "out of bounds of shared memory", access);
    if (access.place == nullptr) refuse(ILLEGAL_ADDRESS, "null pointer", access);
    bool is_in_library = access.place >= __ehdr_start && access.place < _end;
    if (!is_in_library) refuse(ILLEGAL_ADDRESS, "an address that is not the device's", access);
}
}  // namespace

void access(const void* place, size_t bytes, Kind kind, const void* code) {
    // Static initialisers run before any kernel does.
    if (current == nullptr) return;
    const char* p = static_cast<const char*>(place);
    if (p >= current->stack_begin && p < current->stack_end) return;
    Access access = {p, bytes, kind, code, "shared"};
    if (statics.has(p)) return judge_shared(statics, access);
    if (dynamic.has(p)) return judge_shared(dynamic, access);
    access.where = "global";
    size_t offset = static_cast<size_t>(p - memory::arena);
    if (offset < memory::ARENA_BYTES && memory::arena != nullptr) return judge_global(offset, access);
    access.where = "other";
    judge_elsewhere(access);
}

void in_flight(const void* place, size_t bytes) {
    for (Region* region : {&statics, &dynamic})
        if (region->has(place))
            memset(region->states + (static_cast<const char*>(place) - region->begin), IN_FLIGHT, bytes);
}

void begin_launch() {
    ++launch_stamp;
    fences_at_launch();
    const Kernel& kernel = *launch->kernel;
    statics.cover(kernel.shared_begin, static_cast<size_t>(kernel.shared_end - kernel.shared_begin));
    // Up to the most that there can be, so that what lies outside is known to be just that.
    dynamic.cover(dynamic_memory(), MOST_DYNAMIC_SHARED);
    memset(dynamic.states, OUTSIDE, MOST_DYNAMIC_SHARED);
}

void end_launch() { trim_pages(); }

void begin_block() {
    ++block_stamp;
    memset(statics.states, UNWRITTEN, statics.bytes);
    memset(dynamic.states, UNWRITTEN, launch->dynamic_bytes);
    dim3 grid = launch->grid;
    clocks_at_block((1ull * block_position.z * grid.y + block_position.y) * grid.x + block_position.x);
}

void block_barrier() { clocks_at_barrier(); }
void warp_barrier(unsigned warp, unsigned lanes) { clocks_at_warp_barrier(warp, lanes); }
}  // namespace sim::checker

namespace sim {
void atomic_access(void* place, size_t bytes, const void* code) {
    checker::access(place, bytes, checker::ATOMIC, code);
}
}  // namespace sim
