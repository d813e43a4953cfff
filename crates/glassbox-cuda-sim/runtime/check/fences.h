// Order between blocks. There is none in a launch but this: a block that fences and then changes a counter atomically
// has its writes seen by a block that changes the counter later. "The last block to finish adds up" rests on it.
#pragma once
#include "cells.h"

namespace sim::checker {
void fences_at_launch();
void fences_at_block();
void note_fence();
// The running thread changes this place of global memory atomically, which moves the time on.
void exchange_at(const Cell& cell, uint32_t block_bits, uint32_t& now, uint32_t last_barrier);
// Whether what a thread of another block did is known to the running thread.
bool is_known(const Accesses& other, uint32_t last_barrier);
// Whether all atomic changes of this place are.
bool is_known(const Cell& cell, uint32_t last_barrier);
}  // namespace sim::checker
