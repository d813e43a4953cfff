// What chips from sm_90 on add: a kernel may start before the one queued ahead of it has ended, and does then what does not
// depend on that one. NVIDIA calls it programmatic dependent launch. Each instruction stands beside its twin for the
// simulator, as in sm80.cuh.
#pragma once

#include "common.cuh"

// Waits until the kernel queued ahead has ended and all that it wrote is seen. Before, what that kernel writes must not be
// read, nor at any time through the cache for constants (no `const` with `__restrict__`), and nothing may be written that it
// reads or writes. What kernels further ahead wrote may be read before, by the first-level cache (`__ldcg`): nobody promises
// that a multiprocessor has forgotten it as it was. Where a launch did not ask to start early, this does nothing.
__device__ __forceinline__ void wait_for_kernel_ahead() {
#ifdef GLASSBOX_SIM
    sim::wait_for_kernel_ahead();
#else
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Once all blocks have come here or ended, the kernel queued behind may start. Only behind wait_for_kernel_ahead, which some
// block has to call: then that kernel can rely on all but this one. (Blocks that have nothing to do may end without.)
__device__ __forceinline__ void let_kernel_behind_start() {
#ifdef GLASSBOX_SIM
    sim::let_kernel_behind_start();
#else
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
