// Rung 5, a tile in registers, in two dimensions: a thread holds 8×8 elements.
//
// Should gain: for each p it takes 8 numbers of `a` and 8 of `b` and multiplies each with each. So 64 multiply-adds need
// 16 numbers from shared memory, four to one, where rung 4 had about one to one. The tile of the block is 128×128.
// Bound by: the copies, which go number by number, and bank conflicts. Shared memory has 32 banks of 4 bytes, and a
// thread's 8 columns of `b` lie in 8 of them. Eight neighbouring threads take their first four numbers from only 16
// banks, so that they come in two turns.
#include "ladder.cuh"

constexpr unsigned TILE = 128;  // rows and columns of the output
constexpr unsigned DEPTH = 8;   // numbers along k
constexpr unsigned SIDE = 8;    // of a thread's tile
constexpr unsigned ACROSS = TILE / SIDE;
constexpr unsigned THREADS = ACROSS * ACROSS;

extern "C" __global__ void __launch_bounds__(THREADS, 2)
    matmul_05_register_2d(float* __restrict__ out, const float* __restrict__ a, const float* __restrict__ b, unsigned m,
                          unsigned k, unsigned n) {
    __shared__ float a_tile[TILE][DEPTH], b_tile[DEPTH][TILE];
    const Matrix left = {a, m, k}, right = {b, k, n};
    const Output product = {out, m, n};
    Place tile = tile_of_block(n, TILE, TILE);
    unsigned row = threadIdx.x / ACROSS * SIDE, col = threadIdx.x % ACROSS * SIDE;
    float acc[SIDE][SIDE] = {};
    for (unsigned first = 0; first < k; first += DEPTH) {  // mutant: one step more adds zeros
#pragma unroll
        for (unsigned e = threadIdx.x; e < TILE * DEPTH; e += THREADS) {
            a_tile[e / DEPTH][e % DEPTH] = left.at(tile.row + e / DEPTH, first + e % DEPTH);
            b_tile[e / TILE][e % TILE] = right.at(first + e / TILE, tile.col + e % TILE);
        }
        __syncthreads();
#pragma unroll
        for (unsigned p = 0; p < DEPTH; ++p) {
            float x[SIDE], y[SIDE];
#pragma unroll
            for (unsigned i = 0; i < SIDE; ++i) x[i] = a_tile[row + i][p];
#pragma unroll
            for (unsigned j = 0; j < SIDE; ++j) y[j] = b_tile[p][col + j];
#pragma unroll
            for (unsigned i = 0; i < SIDE; ++i) {
#pragma unroll
                for (unsigned j = 0; j < SIDE; ++j) acc[i][j] = fmaf(x[i], y[j], acc[i][j]);
            }
        }
        __syncthreads();
    }
    bool finite = true;
#pragma unroll
    for (unsigned i = 0; i < SIDE; ++i) {
#pragma unroll
        for (unsigned j = 0; j < SIDE; ++j) finite &= product.put(tile.row + row + i, tile.col + col + j, acc[i][j]);
    }
    mend(product, left, right, tile, TILE, TILE, finite);
}
