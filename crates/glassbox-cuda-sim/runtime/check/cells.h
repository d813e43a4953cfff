// Who touched a place last, and whether the running thread may touch it now: CUDA's own rules for races.
//
// Time is a counter that every barrier of the block or of a warp moves on. An earlier access by another thread comes
// before one of mine if a barrier lies between that both of us took part in. Threads of different blocks are never
// ordered within a launch. So a race is found whatever the order in which threads happened to run.
#pragma once
#include "../checker.h"

#include <stdint.h>

namespace sim::checker {
// Threads that did the same to a place without a barrier between them; of more than one, the last.
struct Accesses {
    uint32_t who;  // block * 1024 + thread
    uint32_t time;
    uint32_t lanes;  // of its warp
    uint32_t code;   // where in the library
};

struct Cell {
    uint32_t stamp;  // of the launch, or for shared memory of the block; a cell with another stamp is empty
    bool writes_are_atomic, many_writing_warps, many_writing_blocks, many_reading_warps, many_reading_blocks;
    // In the launch before that of the stamp.
    bool was_written, was_read;
    Accesses writes, reads;
};

constexpr uint32_t NOBODY = 0xffffffffu;

// Checks the access against the cell, and notes it there. Returns what it races with, or null.
const Accesses* touch(Cell& cell, uint32_t stamp, Kind kind, uint32_t code);

// What the launch before this one, if it is still under way, did to the place that rules out the access; or null.
const char* conflict_with_launch_ahead(const Cell& cell, uint32_t stamp, Kind kind);

void clocks_at_block(unsigned long long block);
// The running thread changed this place of global memory atomically.
void clocks_at_exchange(const Cell& cell);
void clocks_at_barrier();
void clocks_at_warp_barrier(unsigned warp, unsigned lanes);
}  // namespace sim::checker
