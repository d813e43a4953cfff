// Operations on all elements alike, the transpose, and the sum of squares.
#include "common.cuh"

extern "C" __global__ void fill(float* __restrict__ out, float value, u64 n) {
    for (u64 i = first_element(); i < n; i += element_step()) out[i] = value;
}

extern "C" __global__ void add(float* __restrict__ out, const float* __restrict__ a, const float* __restrict__ b, u64 n) {
    for (u64 i = first_element(); i < n; i += element_step()) out[i] = a[i] + b[i];
}

extern "C" __global__ void sub(float* __restrict__ out, const float* __restrict__ a, const float* __restrict__ b, u64 n) {
    for (u64 i = first_element(); i < n; i += element_step()) out[i] = a[i] - b[i];
}

extern "C" __global__ void mul(float* __restrict__ out, const float* __restrict__ a, const float* __restrict__ b, u64 n) {
    for (u64 i = first_element(); i < n; i += element_step()) out[i] = a[i] * b[i];
}

extern "C" __global__ void scale(float* __restrict__ x, float factor, u64 n) {
    for (u64 i = first_element(); i < n; i += element_step()) x[i] = x[i] * factor;
}

extern "C" __global__ void add_scaled(float* __restrict__ x, float factor, const float* __restrict__ y, u64 n) {
    for (u64 i = first_element(); i < n; i += element_step()) x[i] = fmaf(factor, y[i], x[i]);
}

// out (n,m) = a (m,n) transposed. A tile passes through shared memory, so that both the reads and the writes of
// neighbouring threads are neighbours. The tile is a column wider than it need be: then a column of it lies in 32
// different banks.
extern "C" __global__ void transpose(float* __restrict__ out, const float* __restrict__ a, unsigned m, unsigned n) {
    const unsigned TILE = 32;
    __shared__ float tile[TILE][TILE + 1];
    unsigned across = (n + TILE - 1) / TILE;
    unsigned i0 = blockIdx.x / across * TILE, j0 = blockIdx.x % across * TILE;
    for (unsigned e = threadIdx.x; e < TILE * TILE; e += blockDim.x) {
        unsigned i = e / TILE, j = e % TILE;
        if (i0 + i < m && j0 + j < n) tile[i][j] = a[u64(i0 + i) * n + j0 + j];
    }
    __syncthreads();
    for (unsigned e = threadIdx.x; e < TILE * TILE; e += blockDim.x) {
        unsigned j = e / TILE, i = e % TILE;
        if (i0 + i < m && j0 + j < n) out[u64(j0 + j) * m + i0 + i] = tile[i][j];
    }
}

// out (1) = Σ x², in the sixteen chains of the definition, which are added in order at the end. One block.
extern "C" __global__ void sum_of_squares(float* __restrict__ out, const float* __restrict__ x, u64 n) {
    const unsigned CHAINS = 16;
    __shared__ float chains[CHAINS];
    for (unsigned c = threadIdx.x; c < CHAINS; c += blockDim.x) {
        float acc = 0.0f;
        for (u64 i = c; i < n; i += CHAINS) acc = fmaf(x[i], x[i], acc);
        chains[c] = acc;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        float sum = 0.0f;
        for (unsigned c = 0; c < CHAINS; ++c) sum += chains[c];
        out[0] = sum;
    }
}
