// Where a thread is, what its block shares, and the barrier of the block.
#pragma once
#include "types.h"

namespace sim {
// These do not change while a thread runs, and the compiler may keep them in registers.
[[gnu::const]] uint3 thread_index();
[[gnu::const]] uint3 block_index();
[[gnu::const]] dim3 block_size();
[[gnu::const]] dim3 grid_size();

[[gnu::const]] void* dynamic_shared();
void block_barrier(const char* file, int line);
// A barrier that also tells in how many threads of the block the predicate holds.
int block_barrier_count(bool predicate, const char* file, int line);
[[noreturn]] void trap(const char* what, const char* file, int line);
void fence();
unsigned long long ticks();
}  // namespace sim

#define SIM_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(SIM_HERE) { sim::block_barrier(file, line); }
inline int __syncthreads_count(int predicate, SIM_HERE) {
    return sim::block_barrier_count(predicate != 0, file, line);
}
inline int __syncthreads_or(int predicate, SIM_HERE) {
    return sim::block_barrier_count(predicate != 0, file, line) != 0;
}
inline int __syncthreads_and(int predicate, SIM_HERE) {
    return sim::block_barrier_count(predicate == 0, file, line) == 0;
}

// Memory is coherent here whatever a kernel says. The checker takes note of fences: see check/fences.h.
inline void __threadfence() { sim::fence(); }
inline void __threadfence_block() {}
inline void __threadfence_system() { sim::fence(); }

inline void __trap(SIM_HERE) { sim::trap("__trap()", file, line); }
inline long long clock64() { return static_cast<long long>(sim::ticks()); }
