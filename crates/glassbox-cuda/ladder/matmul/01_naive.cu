// Rung 1, naive: the three loops of the definition, with a thread in the place of the two outer ones.
//
// threadIdx.x runs along the rows, as one might write it first. So the 32 threads of a warp hold 32 elements of one
// column. In each step of the loop they read 32 numbers of `a` that lie a whole row apart: up to 32 accesses of 32
// bytes, to use 4 bytes of each. The one number of `b` is the same for all of them, which costs a single access.
//
// Bound by: memory transactions. Most of what memory delivers is thrown away.
#include "ladder.cuh"

extern "C" __global__ void matmul_01_naive(float* __restrict__ out, const float* __restrict__ a,
                                           const float* __restrict__ b, unsigned m, unsigned k, unsigned n) {
    Place tile = tile_of_block(n, blockDim.x, blockDim.y);
    unsigned row = tile.row + threadIdx.x, col = tile.col + threadIdx.y;
    if (row >= m || col >= n) return;
    float acc = 0.0f;
    for (unsigned p = 0; p < k; ++p) acc = fmaf(a[u64(row) * k + p], b[u64(p) * n + col], acc);
    bool finite = Output{out, m, n}.put(row, col, acc);
    if (!finite) out[u64(row) * n + col] = definition(Matrix{a, m, k}, Matrix{b, k, n}, row, col);
}
