// The stacks of fibers: one piece of address space, cut into 1024.
#include "stacks.h"

#include <stdlib.h>
#include <sys/mman.h>

namespace sim {
namespace {
constexpr size_t COUNT = 1024, PAGE = 4096, BYTES = 16 * PAGE, STRIDE = BYTES + PAGE;
char* stacks;

void reserve() {
    void* place = mmap(nullptr, COUNT * STRIDE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                       -1, 0);
    if (place == MAP_FAILED) abort();
    stacks = static_cast<char*>(place);
    for (size_t i = 0; i < COUNT; ++i) mprotect(stacks + i * STRIDE, PAGE, PROT_NONE);
}
}  // namespace

Stack stack_of(unsigned number) {
    if (stacks == nullptr) reserve();
    char* begin = stacks + number * STRIDE + PAGE;
    // Tops at the same place of each page would compete for the same lines of the cache.
    size_t shift = number % 32 * 64;
    return {begin, begin + BYTES - shift};
}

bool is_on_a_stack(const void* place) {
    const char* p = static_cast<const char*>(place);
    return p >= stacks && p < stacks + COUNT * STRIDE;
}

void release_stacks() {
    if (stacks != nullptr) munmap(stacks, COUNT * STRIDE);
    stacks = nullptr;
}
}  // namespace sim
