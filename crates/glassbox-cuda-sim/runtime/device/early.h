// Kernels that start before the one queued ahead of them has ended, and reads that go by the first-level cache.
#pragma once

namespace sim {
// From here on what the kernel ahead wrote is there.
void wait_for_kernel_ahead();
void let_kernel_behind_start();
}  // namespace sim

// There is no cache here.
template <class T>
inline T __ldcg(const T* place) {
    return *place;
}
