// Rung 8 with smaller tiles: 64×64, 32×32 and 16×16 in the place of 128×128, for outputs that make few tiles.
//
// A block runs on one multiprocessor. An output of 512×512 is 16 tiles of 128×128, so of the 132 multiprocessors of a large
// chip 116 have nothing to do; it is 256 tiles of 32×32, and all are busy. The price: a thread of a smaller tile holds fewer
// elements, so it multiplies less for each number that it loads. Where large tiles are enough for the chip, they win.
//
// What changed against rung 8: sizes are parameters of a template. A step is longer, 32 or 64 numbers along k, since the
// wait at its barrier has to be worth it for fewer elements. Rows of `a` are followed by four numbers that nobody uses: rows
// of 32 or 64 would all begin in the same bank. And a turn of the loop is one step: two were no faster, or slower.
//
// Gained, on an H100, in a scratch program with the same tiles, against rung 8: 2.0 times at 1024×1024×1024 with 64×64,
// 4.3 at 512×512×512 with 32×32, and 9.9 at 64×784×128 with 16×16. At 4096×4096×4096, 64×64 lost 4 %. Needs sm_80.
// Bound by: loads from shared memory, one for each 11 multiply-adds, 8 or 3; with few blocks, the length of a chain.
#include "ladder.cuh"
#include "sm80.cuh"

// A tile of SIDE×SIDE, DEPTH numbers along k a step. A thread has ROWS rows of four neighbours.
template <unsigned SIDE, unsigned DEPTH, unsigned ROWS>
struct Tile {
    static constexpr unsigned THREADS = SIDE * SIDE / (ROWS * 4);
    // A warp's lanes, across and down, and the part of the tile that is theirs. Rows are dealt out to the lanes in turn.
    static constexpr unsigned ACROSS = SIDE < 32 ? SIDE / 4 : 8, DOWN = WARP / ACROSS;  // mutant: 32 / 4 is 8, too
    static constexpr unsigned WARP_ROWS = DOWN * ROWS, WARP_COLS = ACROSS * 4;
    // A thread copies four neighbours in several rows of each factor, so far apart.
    static constexpr unsigned A_APART = THREADS / (DEPTH / 4), B_APART = THREADS / (SIDE / 4);

    struct Stage {
        float a[SIDE][DEPTH + 4], b[DEPTH][SIDE];
    };

    struct Copies {
        const Matrix& left;
        const Matrix& right;
        Place tile;
        bool is_aligned;
        unsigned a_row, a_col, b_row, b_col;
        const float *a, *b;

        __device__ __forceinline__ Copies(const Matrix& left, const Matrix& right, Place tile)
            : left(left), right(right), tile(tile), is_aligned(left.is_aligned() && right.is_aligned()),
              a_row(threadIdx.x / (DEPTH / 4)), a_col(threadIdx.x % (DEPTH / 4) * 4), b_row(threadIdx.x / (SIDE / 4)),
              b_col(threadIdx.x % (SIDE / 4) * 4), a(left.place(tile.row + a_row, a_col)),
              b(right.place(b_row, tile.col + b_col)) {}

        // Starts copying the next step, which begins at `first` along k, with zeros for what is outside of the matrices.
        __device__ __forceinline__ void start(Stage& stage, unsigned first) {
            if (is_aligned) {
#pragma unroll
                for (unsigned row = 0; row < SIDE; row += A_APART) {
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
                for (unsigned e = threadIdx.x; e < SIDE * DEPTH; e += THREADS) {
                    unsigned row = e / DEPTH, col = e % DEPTH;
                    bool is_inside = left.has(tile.row + row, first + col);
                    cp_async<4>(&stage.a[row][col], is_inside ? left.place(tile.row + row, first + col) : left.start, is_inside);
                }
#pragma unroll 1
                for (unsigned e = threadIdx.x; e < SIDE * DEPTH; e += THREADS) {
                    unsigned row = e / SIDE, col = e % SIDE;
                    bool is_inside = right.has(first + row, tile.col + col);
                    cp_async<4>(&stage.b[row][col], is_inside ? right.place(first + row, tile.col + col) : right.start, is_inside);
                }
            }
            cp_async_commit();
        }
    };

    static __device__ __forceinline__ void multiply(float (&acc)[ROWS][4], const Stage& stage, unsigned row, unsigned col) {
#pragma unroll
        for (unsigned p = 0; p < DEPTH; p += 4) {
            float x[ROWS][4];
#pragma unroll
            for (unsigned i = 0; i < ROWS; ++i) load4(x[i], &stage.a[row + i * DOWN][p]);
#pragma unroll
            for (unsigned q = 0; q < 4; ++q) {
                float y[4];
                load4(y, &stage.b[p + q][col]);
#pragma unroll
                for (unsigned i = 0; i < ROWS; ++i) {
#pragma unroll
                    for (unsigned j = 0; j < 4; ++j) acc[i][j] = fmaf(x[i][q], y[j], acc[i][j]);
                }
            }
        }
    }

    static __device__ __forceinline__ void compute(const Output& product, const Matrix& left, const Matrix& right) {
        __shared__ __align__(16) Stage stages[2];
        Place tile = tile_of_block(product.cols, SIDE, SIDE);
        unsigned warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
        unsigned row = warp / (SIDE / WARP_COLS) * WARP_ROWS + lane / ACROSS;
        unsigned col = warp % (SIDE / WARP_COLS) * WARP_COLS + lane % ACROSS * 4;
        float acc[ROWS][4] = {};
        Copies copies(left, right, tile);
        copies.start(stages[0], 0);
        unsigned now = 0;
#pragma unroll 1
        for (unsigned first = 0; first < left.cols; first += DEPTH) {
            unsigned next = first + DEPTH;
            cp_async_wait<0>();
            __syncthreads();
            if (next < left.cols) copies.start(stages[now ^ 1], next);  // mutant: copies zeros that nobody uses
            multiply(acc, stages[now], row, col);
            now ^= 1;
        }
        bool finite = true;
#pragma unroll
        for (unsigned i = 0; i < ROWS; ++i) finite &= product.put4(tile.row + row + i * DOWN, tile.col + col, acc[i]);
        mend(product, left, right, tile, SIDE, SIDE, finite);
    }
};

// Few enough registers for four blocks on a multiprocessor.
using Tile64 = Tile<64, 32, 8>;
extern "C" __global__ void __launch_bounds__(Tile64::THREADS, 4)
    matmul_08_smaller_tiles_64(float* __restrict__ out, const float* __restrict__ a, const float* __restrict__ b,
                               unsigned m, unsigned k, unsigned n) {
    Tile64::compute({out, m, n}, {a, m, k}, {b, k, n});
}

using Tile32 = Tile<32, 32, 4>;
extern "C" __global__ void __launch_bounds__(Tile32::THREADS, 4)
    matmul_08_smaller_tiles_32(float* __restrict__ out, const float* __restrict__ a, const float* __restrict__ b,
                               unsigned m, unsigned k, unsigned n) {
    Tile32::compute({out, m, n}, {a, m, k}, {b, k, n});
}

using Tile16 = Tile<16, 64, 1>;
extern "C" __global__ void __launch_bounds__(Tile16::THREADS, 4)
    matmul_08_smaller_tiles_16(float* __restrict__ out, const float* __restrict__ a, const float* __restrict__ b,
                               unsigned m, unsigned k, unsigned n) {
    Tile16::compute({out, m, n}, {a, m, k}, {b, k, n});
}
