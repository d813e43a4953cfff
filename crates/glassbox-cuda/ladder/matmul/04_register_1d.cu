// Rung 4, a tile in registers, in one dimension: a thread holds 8 elements of a column instead of one.
//
// Should gain: it loads a number of `b` into a register and uses it 8 times, so 8 multiply-adds need 9 numbers from
// shared memory instead of 16. The 8 chains do not wait for each other, so the latency of one is hidden behind the
// others. And the tile of the block is larger, 64×64, so a number from memory is used 64 times.
// Bound by: shared memory still, with about one number a multiply-add.
#include "ladder.cuh"

constexpr unsigned TILE = 64;   // rows and columns of the output
constexpr unsigned DEPTH = 8;   // numbers along k
constexpr unsigned ROWS = 8;    // of a thread
constexpr unsigned THREADS = TILE * TILE / ROWS;

extern "C" __global__ void __launch_bounds__(THREADS)
    matmul_04_register_1d(float* __restrict__ out, const float* __restrict__ a, const float* __restrict__ b, unsigned m,
                          unsigned k, unsigned n) {
    __shared__ float a_tile[TILE][DEPTH], b_tile[DEPTH][TILE];
    const Matrix left = {a, m, k}, right = {b, k, n};
    const Output product = {out, m, n};
    Place tile = tile_of_block(n, TILE, TILE);
    unsigned row = threadIdx.x / TILE * ROWS, col = threadIdx.x % TILE;
    // A thread copies one number into each tile.
    unsigned a_row = threadIdx.x / DEPTH, a_col = threadIdx.x % DEPTH;
    unsigned b_row = threadIdx.x / TILE, b_col = threadIdx.x % TILE;
    float acc[ROWS] = {};
    for (unsigned first = 0; first < k; first += DEPTH) {  // mutant: one step more adds zeros
        a_tile[a_row][a_col] = left.at(tile.row + a_row, first + a_col);
        b_tile[b_row][b_col] = right.at(first + b_row, tile.col + b_col);
        __syncthreads();
#pragma unroll
        for (unsigned p = 0; p < DEPTH; ++p) {
            float y = b_tile[p][col];
#pragma unroll
            for (unsigned i = 0; i < ROWS; ++i) acc[i] = fmaf(a_tile[row + i][p], y, acc[i]);
        }
        __syncthreads();
    }
    bool finite = true;
#pragma unroll
    for (unsigned i = 0; i < ROWS; ++i) finite &= product.put(tile.row + row + i, tile.col + col, acc[i]);
    mend(product, left, right, tile, TILE, TILE, finite);
}
