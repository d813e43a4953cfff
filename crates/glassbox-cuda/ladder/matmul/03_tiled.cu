// Rung 3, tiled: a block computes a tile of 16×16 elements and goes along k in steps of 16. For each step its threads
// copy a tile of `a` and a tile of `b` into shared memory, one number of each a thread, and multiply them there.
//
// Should gain: a number that came from memory is used by 16 threads, so the block reads a sixteenth of what rung 2
// reads. Two barriers a step are the price: nobody may multiply before all have copied, and nobody may overwrite the
// tiles before all have multiplied.
// Bound by: shared memory. Each multiply-add still needs two loads, only from nearer by.
#include "ladder.cuh"

constexpr unsigned TILE = 16;

extern "C" __global__ void __launch_bounds__(TILE* TILE)
    matmul_03_tiled(float* __restrict__ out, const float* __restrict__ a, const float* __restrict__ b, unsigned m,
                    unsigned k, unsigned n) {
    __shared__ float a_tile[TILE][TILE], b_tile[TILE][TILE];
    const Matrix left = {a, m, k}, right = {b, k, n};
    const Output product = {out, m, n};
    Place tile = tile_of_block(n, TILE, TILE);
    unsigned y = threadIdx.x / TILE, x = threadIdx.x % TILE;
    float acc = 0.0f;
    for (unsigned first = 0; first < k; first += TILE) {  // mutant: one step more adds zeros
        a_tile[y][x] = left.at(tile.row + y, first + x);
        b_tile[y][x] = right.at(first + y, tile.col + x);
        __syncthreads();
#pragma unroll
        for (unsigned p = 0; p < TILE; ++p) acc = fmaf(a_tile[y][p], b_tile[p][x], acc);
        __syncthreads();
    }
    bool finite = product.put(tile.row + y, tile.col + x, acc);
    mend(product, left, right, tile, TILE, TILE, finite);
}
