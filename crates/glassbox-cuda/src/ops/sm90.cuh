// What chips from sm_90 on add: a kernel may start before the one queued ahead of it has ended, and does then what does not
// depend on that one. NVIDIA calls it programmatic dependent launch. Each instruction stands beside its twin for the
// simulator, as in sm80.cuh.
#pragma once

#include "common.cuh"

// Waits until the kernel queued ahead has ended and all that it wrote is seen. What that kernel writes must not be read
// before, nor through the cache for constants at all (no `const` with `__restrict__`); and nothing that it reads or writes
// may be written before. Where a launch did not ask to start early, this does nothing.
__device__ __forceinline__ void wait_for_kernel_ahead() {
#ifdef GLASSBOX_SIM
    sim::wait_for_kernel_ahead();
#else
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Once all blocks have come here or ended, the kernel queued behind may start. Only behind wait_for_kernel_ahead: then that
// kernel can rely on all but this one.
__device__ __forceinline__ void let_kernel_behind_start() {
#ifdef GLASSBOX_SIM
    sim::let_kernel_behind_start();
#else
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
