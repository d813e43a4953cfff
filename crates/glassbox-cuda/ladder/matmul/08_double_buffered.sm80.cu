// Rung 8, double-buffered: two pairs of tiles in shared memory. While the threads multiply one, the next arrives in the
// other by itself, through cp.async. That instruction copies from global to shared memory without passing a register;
// a thread starts it, goes on, and waits for it only when it needs the numbers.
//
// Two smaller things besides. Rows of `a` are dealt out to the lanes in turn, so that four lanes which load from it at the
// same time find their rows in different banks. And the two tiles have fixed names in a loop of two steps, so that places
// in shared memory are part of the instructions.
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
constexpr unsigned APART = 4;  // from one row of a thread to its next

struct Stage {
    float a[TILE][DEPTH], b[DEPTH][TILE];
};

// A thread's share of the copies: four neighbours in two rows of each tile. Where they begin is computed once.
constexpr unsigned A_APART = THREADS / (DEPTH / 4), B_APART = THREADS / (TILE / 4);

struct Copies {
    const Matrix& left;
    const Matrix& right;
    Place tile;
    bool is_aligned;
    unsigned a_row, a_col, b_row, b_col;
    const float *a, *b;

    __device__ __forceinline__ Copies(const Matrix& left, const Matrix& right, Place tile)
        : left(left), right(right), tile(tile), is_aligned(left.is_aligned() && right.is_aligned()),
          a_row(threadIdx.x / (DEPTH / 4)), a_col(threadIdx.x % (DEPTH / 4) * 4), b_row(threadIdx.x / (TILE / 4)),
          b_col(threadIdx.x % (TILE / 4) * 4), a(left.place(tile.row + a_row, a_col)), b(right.place(b_row, tile.col + b_col)) {}

    // Starts copying the next pair of tiles, which begins at `first` along k, with zeros for what is outside of the matrices.
    __device__ __forceinline__ void start(Stage& stage, unsigned first) {
        if (is_aligned) {
#pragma unroll
            for (unsigned row = 0; row < TILE; row += A_APART) {
                bool is_inside = left.has(tile.row + a_row + row, first + a_col);
                cp_async<16>(&stage.a[a_row + row][a_col], is_inside ? a + u64(row) * left.cols + first : left.start, is_inside);
            }
#pragma unroll
            for (unsigned row = 0; row < DEPTH; row += B_APART) {
                bool is_inside = right.has(first + b_row + row, tile.col + b_col);
                cp_async<16>(&stage.b[b_row + row][b_col], is_inside ? b + u64(row) * right.cols : right.start, is_inside);
            }
            b += u64(DEPTH) * right.cols;
        } else {
#pragma unroll 1
            for (unsigned e = threadIdx.x; e < TILE * DEPTH; e += THREADS) {
                unsigned row = e / DEPTH, col = e % DEPTH;
                bool is_inside = left.has(tile.row + row, first + col);
                cp_async<4>(&stage.a[row][col], is_inside ? left.place(tile.row + row, first + col) : left.start, is_inside);
            }
#pragma unroll 1
            for (unsigned e = threadIdx.x; e < TILE * DEPTH; e += THREADS) {
                unsigned row = e / TILE, col = e % TILE;
                bool is_inside = right.has(first + row, tile.col + col);
                cp_async<4>(&stage.b[row][col], is_inside ? right.place(first + row, tile.col + col) : right.start, is_inside);
            }
        }
        cp_async_commit();
    }
};

__device__ __forceinline__ void multiply(float (&acc)[SIDE][SIDE], const Stage& stage, unsigned row, unsigned col) {
#pragma unroll
    for (unsigned p = 0; p < DEPTH; p += 4) {
        float x[SIDE][4];
#pragma unroll
        for (unsigned i = 0; i < SIDE; ++i) load4(x[i], &stage.a[row + i * APART][p]);
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
    unsigned row = warp / (TILE / WARP_COLS) * WARP_ROWS + lane / 8;
    unsigned col = warp % (TILE / WARP_COLS) * WARP_COLS + lane % 8 * 4;
    float acc[SIDE][SIDE] = {};
    Copies copies(left, right, tile);
    copies.start(stages[0], 0);
    // Two steps a turn: `now` is known while this is compiled, and with it where a tile lies.
    for (unsigned first = 0; first < k; first += 2 * DEPTH) {
#pragma unroll
        for (unsigned now = 0; now < 2; ++now) {
            unsigned next = first + (now + 1) * DEPTH;
            cp_async_wait<0>();
            __syncthreads();
            // A turn has two steps, even if the second one finds nothing but zeros.
            if (now == 0 || next < k) copies.start(stages[now ^ 1], next);  // mutant: copies zeros that nobody uses
            multiply(acc, stages[now], row, col);
        }
    }
    bool finite = true;
#pragma unroll
    for (unsigned i = 0; i < SIDE; ++i) {
        finite &= product.put4(tile.row + row + i * APART, tile.col + col, acc[i]);
        finite &= product.put4(tile.row + row + i * APART, tile.col + col + WARP_COLS / 2, acc[i] + 4);
    }
    mend(product, left, right, tile, TILE, TILE, finite);
}
