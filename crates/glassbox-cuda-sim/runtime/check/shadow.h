// What the checker knows about each piece of memory: a state for each byte, and cells for each word.
#pragma once
#include "cells.h"

namespace sim::checker {
enum ByteState : unsigned char { OUTSIDE, UNWRITTEN, WRITTEN, RELEASED, IN_FLIGHT };

// The first byte that is not in this state, as an index, or `bytes`.
size_t count_in_state(const unsigned char* states, size_t bytes, ByteState state);

// The states of the arena of global memory, byte for byte; null before anything is allocated.
extern unsigned char* global_states;

// Cells of a page of global memory, made when the page is first touched. A page has a cell for each word of four
// bytes, until something smaller than a word is touched: from then on it has one for each byte.
struct Page {
    bool by_byte;
    Cell* cells;
};
Page& global_page(size_t offset);
void split(Page& page);
// Frees the pages if there are many.
void trim_pages();

// The shared memory of the running block: the static arrays of the kernel's file, or the dynamic part.
struct Region {
    char* begin = nullptr;
    size_t bytes = 0;
    unsigned char* states = nullptr;
    Cell* cells = nullptr;
    bool by_byte = false;

    bool has(const void* place) const {
        return static_cast<size_t>(static_cast<const char*>(place) - begin) < bytes;
    }
    void cover(char* new_begin, size_t new_bytes);
    void split();
};

constexpr size_t WORD = 4, PAGE = 4096;
}  // namespace sim::checker
