// A fiber: a stack, and the place at which its function was left. Switching between fibers is an ordinary call, so a
// block of 256 CUDA threads fits into one thread of the system.
#pragma once

#if !defined(__x86_64__) || defined(GLASSBOX_SIM_UCONTEXT)
#define SIM_UCONTEXT 1
#include <ucontext.h>
#endif
#include <stddef.h>

namespace sim {
struct Fiber {
#ifdef SIM_UCONTEXT
    ucontext_t context;
#else
    void* stack_pointer;
#endif
};

// The next switch to `fiber` calls `entry`, which never returns.
void prepare(Fiber& fiber, char* stack, size_t bytes, void (*entry)());
// Leaves `from` and goes on where `to` was left.
void switch_fiber(Fiber& from, Fiber& to);
}  // namespace sim
