// Cuts allocations from the arena. What is freed is used again as late as possible, so that use after free is seen.
#include "memory.h"

#include "checker.h"

#include <string.h>
#include <sys/mman.h>

#include <map>

namespace sim::memory {
char* arena;

namespace {
struct Allocation {
    size_t bytes;
    bool is_pinned;
};
std::map<char*, Allocation> live;
size_t next_offset, in_use;

constexpr size_t ALIGNMENT = 256, GAP = 256, PAGE = 4096;

size_t round_up(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

bool reserve() {
    if (arena != nullptr) return true;
    void* place = mmap(nullptr, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (place == MAP_FAILED) return false;
    arena = static_cast<char*>(place);
    return true;
}

// The first room after `next_offset`, and from the beginning again when the end is reached.
char* find_room(size_t bytes) {
    for (int round = 0; round < 2; ++round, next_offset = 0) {
        size_t offset = next_offset + GAP;
        auto next = live.lower_bound(arena + next_offset);
        while (next != live.end() && arena + offset + bytes + GAP > next->first) {
            offset = round_up(static_cast<size_t>(next->first - arena) + next->second.bytes, ALIGNMENT) + GAP;
            ++next;
        }
        if (offset + bytes + GAP <= ARENA_BYTES) return arena + offset;
    }
    return nullptr;
}

char* place(size_t bytes, bool is_pinned) {
    if (!reserve() || bytes > ARENA_BYTES / 2) return nullptr;
    char* begin = find_room(bytes);
    if (begin == nullptr) return nullptr;
    next_offset = round_up(static_cast<size_t>(begin - arena) + bytes, ALIGNMENT);
    live[begin] = {bytes, is_pinned};
    memset(begin, 0xff, bytes);
    checker::allocated(begin, bytes, is_pinned);
    return begin;
}

// Gives the pages between the neighbours back to the system.
void return_pages(std::map<char*, Allocation>::iterator next) {
    size_t begin = 0, end = next == live.end() ? next_offset : static_cast<size_t>(next->first - arena);
    if (next != live.begin()) {
        --next;
        begin = round_up(static_cast<size_t>(next->first - arena) + next->second.bytes, PAGE);
    }
    end = end / PAGE * PAGE;
    if (begin < end) madvise(arena + begin, end - begin, MADV_DONTNEED);
}
}  // namespace

char* allocate(size_t bytes) {
    char* begin = place(bytes, false);
    if (begin != nullptr) in_use += bytes;
    return begin;
}

char* allocate_pinned(size_t bytes) { return place(bytes, true); }

bool release(const void* begin) {
    auto found = live.find(static_cast<char*>(const_cast<void*>(begin)));
    if (found == live.end()) return false;
    if (!found->second.is_pinned) in_use -= found->second.bytes;
    checker::released(found->first, found->second.bytes);
    return_pages(live.erase(found));
    return true;
}

void release_all() {
    while (!live.empty()) release(live.begin()->first);
}

Block before(const void* place) {
    auto next = live.upper_bound(static_cast<char*>(const_cast<void*>(place)));
    if (next == live.begin()) return {};
    --next;
    return {next->first, next->second.bytes};
}

Block find(const void* place) {
    Block block = before(place);
    bool is_inside = block.begin != nullptr && place < block.begin + block.bytes;
    return is_inside ? block : Block{};
}

bool is_pinned(const void* place) {
    Block block = find(place);
    return block.begin != nullptr && live[block.begin].is_pinned;
}

size_t bytes_in_use() { return in_use; }
}  // namespace sim::memory
