// The device's memory: one piece of the host's address space, from which allocations are cut.
#pragma once
#include <stddef.h>

namespace sim::memory {
constexpr size_t ARENA_BYTES = size_t{16} << 30;
// Null until something is allocated.
extern char* arena;

struct Block {
    char* begin = nullptr;
    size_t bytes = 0;
};

// Null when there is no room. Fresh memory is full of NaN.
char* allocate(size_t bytes);
// Memory of the host that the device may use too.
char* allocate_pinned(size_t bytes);
// Frees what begins here; false if nothing does.
bool release(const void* begin);
void release_all();
// The live allocation that the place is in, or an empty block.
Block find(const void* place);
// The live allocation that begins last before the place, or an empty block.
Block before(const void* place);
bool is_pinned(const void* place);
size_t bytes_in_use();
}  // namespace sim::memory
