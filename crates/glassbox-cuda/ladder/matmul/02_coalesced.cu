// Rung 2, coalesced: the same loop, with threadIdx.x along the columns. Nothing else has changed.
//
// The 32 threads of a warp now hold neighbours of one row. In each step they read the same number of `a`, one access
// for all, and 32 neighbours of `b`, which are four sectors of 32 bytes with nothing in between. Such reads are called
// coalesced. The output is written in the same way.
//
// Should gain: a warp asks memory for 5 sectors in a step instead of up to 33.
// Bound by: memory again. Each thread reads two numbers for one multiply-add, and only the caches know that its
// neighbours read the same ones.
#include "ladder.cuh"

extern "C" __global__ void matmul_02_coalesced(float* __restrict__ out, const float* __restrict__ a,
                                               const float* __restrict__ b, unsigned m, unsigned k, unsigned n) {
    Place tile = tile_of_block(n, blockDim.y, blockDim.x);
    unsigned row = tile.row + threadIdx.y, col = tile.col + threadIdx.x;
    if (row >= m || col >= n) return;
    float acc = 0.0f;
    for (unsigned p = 0; p < k; ++p) acc = fmaf(a[u64(row) * k + p], b[u64(p) * n + col], acc);
    bool finite = Output{out, m, n}.put(row, col, acc);
    if (!finite) out[u64(row) * n + col] = definition(Matrix{a, m, k}, Matrix{b, k, n}, row, col);
}
