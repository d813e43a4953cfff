// What the checker is told. Two sets of files have these functions: check/, which checks, and unchecked.cpp, which
// does nothing.
#pragma once
#include <stddef.h>

namespace sim::checker {
enum Kind : unsigned char { READ, WRITE, ATOMIC };

// The running thread touches memory; `code` is where in the kernel. Does not return if it may not.
void access(const void* place, size_t bytes, Kind kind, const void* code);
// Shared memory that an asynchronous copy will fill.
void in_flight(const void* place, size_t bytes);

void begin_launch();
void end_launch();
void begin_block();
// All threads of the block have met.
void block_barrier();
// These lanes of the warp have met.
void warp_barrier(unsigned warp, unsigned lanes);

// Device memory, and what the host does to it.
void allocated(const void* place, size_t bytes, bool is_written);
void released(const void* place, size_t bytes);
void written(const void* place, size_t bytes);
void copied(const void* to, const void* from, size_t bytes);
// How many bytes from here on have been written, at most `bytes`.
size_t count_written(const void* place, size_t bytes);
}  // namespace sim::checker
