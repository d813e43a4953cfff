// Rung 7, warp-tiled: between the tile of the block and that of a thread comes one of the warp, 32×64.
//
// The 32 lanes of a warp stand 4×8. A lane has 8 rows and two pieces of 4 columns, 32 apart, with the other lanes' pieces
// in between. So 8 lanes that load a float4 of `b` together read 128 bytes without a gap, and those that load one of `a`
// read the same one: no bank conflicts. A step is 16 numbers deep instead of 8, which halves the barriers.
//
// Should gain: shared memory delivers at its full width, and a warp needs only 32 rows and 64 columns of it.
// Bound by: waiting. All threads copy, then all multiply; while memory answers, nobody computes, unless another block
// on the same multiprocessor does.
#include "ladder.cuh"

constexpr unsigned TILE = 128;  // rows and columns of the output
constexpr unsigned DEPTH = 16;  // numbers along k
constexpr unsigned SIDE = 8;    // of a thread's tile
constexpr unsigned THREADS = 256;
constexpr unsigned WARP_ROWS = 32, WARP_COLS = 64;

extern "C" __global__ void __launch_bounds__(THREADS, 2)
    matmul_07_warp_tiled(float* __restrict__ out, const float* __restrict__ a, const float* __restrict__ b, unsigned m,
                         unsigned k, unsigned n) {
    __shared__ __align__(16) float a_tile[TILE][DEPTH], b_tile[DEPTH][TILE];
    const Matrix left = {a, m, k}, right = {b, k, n};
    const Output product = {out, m, n};
    Place tile = tile_of_block(n, TILE, TILE);
    unsigned warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    unsigned row = warp / (TILE / WARP_COLS) * WARP_ROWS + lane / 8 * SIDE;
    unsigned col = warp % (TILE / WARP_COLS) * WARP_COLS + lane % 8 * 4;
    float acc[SIDE][SIDE] = {};
    for (unsigned first = 0; first < k; first += DEPTH) {  // mutant: one step more adds zeros
#pragma unroll
        for (unsigned e = threadIdx.x; e < TILE * DEPTH / 4; e += THREADS) {
            unsigned a_row = e / (DEPTH / 4), a_col = e % (DEPTH / 4) * 4;
            unsigned b_row = e / (TILE / 4), b_col = e % (TILE / 4) * 4;
            *reinterpret_cast<float4*>(&a_tile[a_row][a_col]) = left.quad(tile.row + a_row, first + a_col);
            *reinterpret_cast<float4*>(&b_tile[b_row][b_col]) = right.quad(first + b_row, tile.col + b_col);
        }
        __syncthreads();
#pragma unroll
        for (unsigned p = 0; p < DEPTH; p += 4) {
            float x[SIDE][4];
#pragma unroll
            for (unsigned i = 0; i < SIDE; ++i) load4(x[i], &a_tile[row + i][p]);
#pragma unroll
            for (unsigned q = 0; q < 4; ++q) {
                float y[SIDE];
                load4(y, &b_tile[p + q][col]);
                load4(y + 4, &b_tile[p + q][col + WARP_COLS / 2]);
#pragma unroll
                for (unsigned i = 0; i < SIDE; ++i) {
#pragma unroll
                    for (unsigned j = 0; j < SIDE; ++j) acc[i][j] = fmaf(x[i][q], y[j], acc[i][j]);
                }
            }
        }
        __syncthreads();
    }
    bool finite = true;
#pragma unroll
    for (unsigned i = 0; i < SIDE; ++i) {
        finite &= product.put4(tile.row + row + i, tile.col + col, acc[i]);
        finite &= product.put4(tile.row + row + i, tile.col + col + WARP_COLS / 2, acc[i] + 4);
    }
    mend(product, left, right, tile, TILE, TILE, finite);
}
