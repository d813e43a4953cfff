// What both kernels of a step share: the batch, and the place at which a kernel that started early waits.
#pragma once

#include "sm90.cuh"
#include "state.cuh"

// The pixels (n,i) of all images, and which of them are the rows of the batch.
struct Batch {
    const unsigned char* pixels;
    const unsigned* order;

    __device__ __forceinline__ const unsigned char* row(unsigned row, unsigned i) const { return pixels + u64(order[row]) * i; }
};

// A byte divided by 255, rounded as the division rounds it: true for all 256, since
// glassbox-cpu/src/fast/vector/bytes.rs tests the same formula.
__device__ __forceinline__ float scaled(unsigned char pixel) {
    const float INVERSE = 1.0f / 255.0f, INVERSE_LOW = float(1.0 / 255.0 - double(INVERSE));
    float x = float(pixel);
    return fmaf(x, INVERSE, x * INVERSE_LOW);
}

// So many rows below, in one multiplication.
__device__ __forceinline__ const float* below(const float* column, unsigned rows, unsigned cols) {
    return reinterpret_cast<const float*>(reinterpret_cast<const char*>(column) + u64(rows) * (unsigned(sizeof(float)) * cols));
}

// What the kernel ahead wrote is there from here on, and the kernel behind may start.
template <bool IS_EARLY>
__device__ __forceinline__ void wait_and_let_start() {
    if constexpr (IS_EARLY) {
        wait_for_kernel_ahead();
        let_kernel_behind_start();
    }
}
