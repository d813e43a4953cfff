// What lanes of a warp do together. The last lane to arrive does the work for all of them.
#pragma once
#include "scheduler.h"

namespace sim {
// The lanes that met at one place with one mask, and what each brought along.
struct Meeting {
    unsigned mask, arrived;
    Place place;
    void* contributions[32];

    template <class T>
    T& of(unsigned lane) {
        return *static_cast<T*>(contributions[lane]);
    }
    bool has(unsigned lane) const { return arrived >> lane & 1; }
};

// Waits for the lanes of the mask; the last of them calls `work` before anybody goes on.
void meet(unsigned mask, void* contribution, void (*work)(Meeting&), const char* file, int line);

// Which lanes of the warp exist and have not left the kernel.
unsigned live_lanes(unsigned warp);
// The running thread left the kernel, and lanes of its warp may have waited for just that.
void leave_warp();
// Before a block: all lanes live, nobody waits.
void forget_warps();
}  // namespace sim
