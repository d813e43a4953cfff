// Makes the checker's memory, as late as possible, and gives it back.
#include "shadow.h"

#include "../memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <vector>

namespace sim::checker {
unsigned char* global_states;

namespace {
Page* pages;
std::vector<size_t> used_pages;
constexpr size_t MOST_PAGES = 2048;

// Address space that costs memory only where it is touched, and is zero there.
void* reserve(size_t bytes) {
    void* place = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (place == MAP_FAILED) abort();
    return place;
}

Cell* make_cells(size_t count) { return static_cast<Cell*>(calloc(count, sizeof(Cell))); }

// Each byte is told what was known of its word.
Cell* spread(Cell* words, size_t count) {
    Cell* bytes = make_cells(count * WORD);
    for (size_t i = 0; i < count * WORD; ++i) bytes[i] = words[i / WORD];
    free(words);
    return bytes;
}
}  // namespace

size_t count_in_state(const unsigned char* states, size_t bytes, ByteState state) {
    size_t i = 0;
    while (i < bytes && states[i] == state) ++i;
    return i;
}

Page& global_page(size_t offset) {
    if (pages == nullptr) pages = static_cast<Page*>(reserve(memory::ARENA_BYTES / PAGE * sizeof(Page)));
    Page& page = pages[offset / PAGE];
    if (page.cells == nullptr) {
        page = {false, make_cells(PAGE / WORD)};
        used_pages.push_back(offset / PAGE);
    }
    return page;
}

void split(Page& page) {
    page.cells = spread(page.cells, PAGE / WORD);
    page.by_byte = true;
}

void trim_pages() {
    if (used_pages.size() < MOST_PAGES) return;
    for (size_t which : used_pages) {
        free(pages[which].cells);
        pages[which] = {};
    }
    used_pages.clear();
}

void Region::cover(char* new_begin, size_t new_bytes) {
    if (begin == new_begin && bytes == new_bytes) return;
    free(states);
    free(cells);
    begin = new_begin;
    bytes = new_bytes;
    by_byte = false;
    states = static_cast<unsigned char*>(calloc(bytes + WORD, 1));
    cells = make_cells(bytes / WORD + 1);
}

void Region::split() {
    cells = spread(cells, bytes / WORD + 1);
    by_byte = true;
}

void allocated(const void* place, size_t bytes, bool is_written) {
    if (global_states == nullptr) global_states = static_cast<unsigned char*>(reserve(memory::ARENA_BYTES));
    size_t offset = static_cast<size_t>(static_cast<const char*>(place) - memory::arena);
    memset(global_states + offset, is_written ? WRITTEN : UNWRITTEN, bytes);
}

void released(const void* place, size_t bytes) {
    memset(global_states + (static_cast<const char*>(place) - memory::arena), RELEASED, bytes);
}

void written(const void* place, size_t bytes) {
    memset(global_states + (static_cast<const char*>(place) - memory::arena), WRITTEN, bytes);
}

void copied(const void* to, const void* from, size_t bytes) {
    memmove(global_states + (static_cast<const char*>(to) - memory::arena),
            global_states + (static_cast<const char*>(from) - memory::arena), bytes);
}

size_t count_written(const void* place, size_t bytes) {
    return count_in_state(global_states + (static_cast<const char*>(place) - memory::arena), bytes, WRITTEN);
}
}  // namespace sim::checker
