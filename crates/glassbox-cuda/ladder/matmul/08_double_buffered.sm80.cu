// Rung 8, double-buffered: two pairs of tiles in shared memory. While the threads multiply one, the next arrives in the
// other by itself, through cp.async. That instruction copies from global to shared memory without passing a register;
// a thread starts it, goes on, and waits for it only when it needs the numbers.
//
// Should gain: memory's answers overlap with arithmetic, and one barrier a step is enough. It tells both that all copies
// into this pair have arrived and that nobody multiplies the other pair any more.
// Needs sm_80. 16 bytes are copied at once where rows are aligned, otherwise 4.
// Bound by: the multiply-adds themselves, and the loads between them, one for each 16.
#include "ladder.cuh"
#include "sm80.cuh"

constexpr unsigned TILE = 128;  // rows and columns of the output
constexpr unsigned DEPTH = 16;  // numbers along k
constexpr unsigned SIDE = 8;    // of a thread's tile
constexpr unsigned THREADS = 256;
constexpr unsigned WARP_ROWS = 32, WARP_COLS = 64;

struct Stage {
    float a[TILE][DEPTH], b[DEPTH][TILE];
};

// Starts copying four neighbours of a row, with zeros for those outside of the matrix.
__device__ __forceinline__ void copy4(float* to, const Matrix& from, unsigned row, unsigned col) {
    if (from.is_aligned()) {
        bool is_inside = from.has(row, col);
        cp_async<16>(to, is_inside ? from.place(row, col) : from.start, is_inside);
        return;
    }
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) {
        bool is_inside = from.has(row, col + i);
        cp_async<4>(to + i, is_inside ? from.place(row, col + i) : from.start, is_inside);
    }
}

// Starts copying the tiles from `first` on along k.
__device__ __forceinline__ void fetch(Stage& stage, const Matrix& left, const Matrix& right, Place tile,
                                      unsigned first) {
#pragma unroll
    for (unsigned e = threadIdx.x; e < TILE * DEPTH / 4; e += THREADS) {
        unsigned a_row = e / (DEPTH / 4), a_col = e % (DEPTH / 4) * 4;
        unsigned b_row = e / (TILE / 4), b_col = e % (TILE / 4) * 4;
        copy4(&stage.a[a_row][a_col], left, tile.row + a_row, first + a_col);
        copy4(&stage.b[b_row][b_col], right, first + b_row, tile.col + b_col);
    }
    cp_async_commit();
}

__device__ __forceinline__ void multiply(float (&acc)[SIDE][SIDE], const Stage& stage, unsigned row, unsigned col) {
#pragma unroll
    for (unsigned p = 0; p < DEPTH; p += 4) {
        float x[SIDE][4];
#pragma unroll
        for (unsigned i = 0; i < SIDE; ++i) load4(x[i], &stage.a[row + i][p]);
#pragma unroll
        for (unsigned q = 0; q < 4; ++q) {
            float y[SIDE];
            load4(y, &stage.b[p + q][col]);
            load4(y + 4, &stage.b[p + q][col + WARP_COLS / 2]);
#pragma unroll
            for (unsigned i = 0; i < SIDE; ++i) {
#pragma unroll
                for (unsigned j = 0; j < SIDE; ++j) acc[i][j] = fmaf(x[i][q], y[j], acc[i][j]);
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 2)
    matmul_08_double_buffered(float* __restrict__ out, const float* __restrict__ a, const float* __restrict__ b,
                              unsigned m, unsigned k, unsigned n) {
    __shared__ __align__(16) Stage stages[2];
    const Matrix left = {a, m, k}, right = {b, k, n};
    const Output product = {out, m, n};
    Place tile = tile_of_block(n, TILE, TILE);
    unsigned warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    unsigned row = warp / (TILE / WARP_COLS) * WARP_ROWS + lane / 8 * SIDE;
    unsigned col = warp % (TILE / WARP_COLS) * WARP_COLS + lane % 8 * 4;
    float acc[SIDE][SIDE] = {};
    fetch(stages[0], left, right, tile, 0);
    for (unsigned first = 0, now = 0; first < k; first += DEPTH, now ^= 1) {
        cp_async_wait<0>();
        __syncthreads();
        if (first + DEPTH < k) {  // mutant: copies zeros that nobody uses
            fetch(stages[now ^ 1], left, right, tile, first + DEPTH);
        }
        multiply(acc, stages[now], row, col);
    }
    bool finite = true;
#pragma unroll
    for (unsigned i = 0; i < SIDE; ++i) {
        finite &= product.put4(tile.row + row + i, tile.col + col, acc[i]);
        finite &= product.put4(tile.row + row + i, tile.col + col + WARP_COLS / 2, acc[i] + 4);
    }
    mend(product, left, right, tile, TILE, TILE, finite);
}
