// What one block does with one row: the maximum, and sums in the order of the definition.
#pragma once

#include "math.cuh"

// Threads a block of the kernels on rows has at most.
constexpr unsigned MOST_THREADS = 1024;

// The largest of o numbers, to all threads of the block. A NaN is passed over, as in the definition. Before it is called
// again there has to be a barrier.
__device__ __forceinline__ float row_maximum(const float* x, unsigned o) {
    __shared__ float largest[MOST_THREADS];
    float max = -INFINITE;
    for (unsigned j = threadIdx.x; j < o; j += blockDim.x) max = max < x[j] ? x[j] : max;  // mutant: equal is equal
    largest[threadIdx.x] = max;
    __syncthreads();
    unsigned holders = blockDim.x < o ? blockDim.x : o;
    for (unsigned t = 0; t < holders; ++t) max = max < largest[t] ? largest[t] : max;  // mutant: as above
    return max;
}

// The sum of o numbers in ascending order, to all threads of the block: one chain, which one thread runs along. The
// numbers may just have been written by the block.
__device__ __forceinline__ float row_sum(const float* x, unsigned o) {
    __shared__ float total;
    __syncthreads();
    if (threadIdx.x == 0) {
        float sum = 0.0f;
        for (unsigned j = 0; j < o; ++j) sum += x[j];
        total = sum;
    }
    __syncthreads();
    return total;
}
