// A product of f32 on tensor cores that know only tf32: rung 11 of the ladder, and the same with a factor turned.
// ladder/matmul/11_split.sm80.cu tells how and how exactly.
#pragma once

#include "ladder.cuh"
#include "sm80.cuh"

namespace split_product {

constexpr unsigned TILE = 128;  // rows and columns of the output
constexpr unsigned DEPTH = 8;   // numbers along k
constexpr unsigned THREADS = 256;
constexpr unsigned WARP_ROWS = 64, WARP_COLS = 32;
constexpr unsigned DOWN = WARP_ROWS / 16, ACROSS = WARP_COLS / 8;  // products of 16×8 of a warp
constexpr unsigned A_PITCH = DEPTH + 4, B_PITCH = TILE + 8;
static_assert(TILE * DEPTH / 4 == THREADS, "a thread carries four numbers of each tile");

// The big parts and the small ones.
struct Stage {
    unsigned a[2][TILE][A_PITCH], b[2][DEPTH][B_PITCH];
};

__device__ __forceinline__ uint4 rounded(float4 x) {
    return make_uint4(to_tf32(x.x), to_tf32(x.y), to_tf32(x.z), to_tf32(x.w));
}

// What the big parts leave, exactly.
__device__ __forceinline__ float4 rest(float4 x, uint4 big) {
    return make_float4(x.x - __uint_as_float(big.x), x.y - __uint_as_float(big.y), x.z - __uint_as_float(big.z),
                       x.w - __uint_as_float(big.w));
}

__device__ __forceinline__ void split(unsigned* to_big, unsigned* to_small, float4 x) {
    uint4 big = rounded(x);
    *reinterpret_cast<uint4*>(to_big) = big;
    *reinterpret_cast<uint4*>(to_small) = rounded(rest(x, big));
}

__device__ __forceinline__ void split(unsigned* to_big, unsigned* to_small, float x) {
    unsigned big = to_tf32(x);
    *to_big = big;
    *to_small = to_tf32(x - __uint_as_float(big));
}

// Four numbers of a factor that a thread carries from memory to shared memory. They are neighbours in memory: along k or
// across it, as the factor lies.
__device__ __forceinline__ float4 fetch_left(const Matrix& left, Place tile, unsigned first) {
    unsigned e = threadIdx.x;
    return left.quad(tile.row + e / (DEPTH / 4), first + e % (DEPTH / 4) * 4);
}

__device__ __forceinline__ void fill_left(Stage& stage, float4 x, const Matrix&) {
    unsigned e = threadIdx.x, row = e / (DEPTH / 4), col = e % (DEPTH / 4) * 4;
    split(&stage.a[0][row][col], &stage.a[1][row][col], x);
}

__device__ __forceinline__ float4 fetch_left(const Turned& left, Place tile, unsigned first) {
    unsigned e = threadIdx.x;
    return left.stored().quad(first + e / (TILE / 4), tile.row + e % (TILE / 4) * 4);
}

__device__ __forceinline__ void fill_left(Stage& stage, float4 x, const Turned&) {
    unsigned e = threadIdx.x, col = e / (TILE / 4), row = e % (TILE / 4) * 4;
    split(&stage.a[0][row][col], &stage.a[1][row][col], x.x);
    split(&stage.a[0][row + 1][col], &stage.a[1][row + 1][col], x.y);
    split(&stage.a[0][row + 2][col], &stage.a[1][row + 2][col], x.z);
    split(&stage.a[0][row + 3][col], &stage.a[1][row + 3][col], x.w);
}

__device__ __forceinline__ float4 fetch_right(const Matrix& right, Place tile, unsigned first) {
    unsigned e = threadIdx.x;
    return right.quad(first + e / (TILE / 4), tile.col + e % (TILE / 4) * 4);
}

__device__ __forceinline__ void fill_right(Stage& stage, float4 x, const Matrix&) {
    unsigned e = threadIdx.x, row = e / (TILE / 4), col = e % (TILE / 4) * 4;
    split(&stage.b[0][row][col], &stage.b[1][row][col], x);
}

__device__ __forceinline__ float4 fetch_right(const Turned& right, Place tile, unsigned first) {
    unsigned e = threadIdx.x;
    return right.stored().quad(tile.col + e / (DEPTH / 4), first + e % (DEPTH / 4) * 4);
}

__device__ __forceinline__ void fill_right(Stage& stage, float4 x, const Turned&) {
    unsigned e = threadIdx.x, col = e / (DEPTH / 4), row = e % (DEPTH / 4) * 4;
    split(&stage.b[0][row][col], &stage.b[1][row][col], x.x);
    split(&stage.b[0][row + 1][col], &stage.b[1][row + 1][col], x.y);
    split(&stage.b[0][row + 2][col], &stage.b[1][row + 2][col], x.z);
    split(&stage.b[0][row + 3][col], &stage.b[1][row + 3][col], x.w);
}

__device__ __forceinline__ void multiply(float (&acc)[DOWN][ACROSS][4], const Stage& stage, unsigned row,
                                         unsigned col) {
    unsigned lane = threadIdx.x % 32;
    unsigned y[2][ACROSS][2];
#pragma unroll
    for (unsigned part = 0; part < 2; ++part) {
#pragma unroll
        for (unsigned j = 0; j < ACROSS; ++j) {
            y[part][j][0] = stage.b[part][lane % 4][col + 8 * j + lane / 4];
            y[part][j][1] = stage.b[part][lane % 4 + 4][col + 8 * j + lane / 4];
        }
    }
#pragma unroll
    for (unsigned i = 0; i < DOWN; ++i) {
        unsigned big[4], small[4];
        ldmatrix_x4(big, &stage.a[0][row + 16 * i + lane % 16][lane / 16 * 4]);
        ldmatrix_x4(small, &stage.a[1][row + 16 * i + lane % 16][lane / 16 * 4]);
        float sum[ACROSS][4] = {};
        // The small terms first, before they meet a large sum.
#pragma unroll
        for (unsigned j = 0; j < ACROSS; ++j) mma_tf32(sum[j], small, y[0][j]);
#pragma unroll
        for (unsigned j = 0; j < ACROSS; ++j) mma_tf32(sum[j], big, y[1][j]);
#pragma unroll
        for (unsigned j = 0; j < ACROSS; ++j) mma_tf32(sum[j], big, y[0][j]);
#pragma unroll
        for (unsigned j = 0; j < ACROSS; ++j) {
#pragma unroll
            for (unsigned c = 0; c < 4; ++c) acc[i][j][c] += sum[j][c];
        }
    }
}

// product = left · right, by one block a tile.
template <class Left, class Right>
__device__ __forceinline__ void run(const Output& product, const Left& left, const Right& right) {
    __shared__ __align__(16) Stage stages[2];
    Place tile = tile_of_block(product.cols, TILE, TILE);
    unsigned warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    unsigned row = warp / (TILE / WARP_COLS) * WARP_ROWS, col = warp % (TILE / WARP_COLS) * WARP_COLS;
    float acc[DOWN][ACROSS][4] = {};
    float4 next_left = fetch_left(left, tile, 0), next_right = fetch_right(right, tile, 0);
    for (unsigned first = 0, now = 0; first < left.cols; first += DEPTH, now ^= 1) {  // mutant: one step more adds zeros
        fill_left(stages[now], next_left, left);
        fill_right(stages[now], next_right, right);
        __syncthreads();
        next_left = fetch_left(left, tile, first + DEPTH);
        next_right = fetch_right(right, tile, first + DEPTH);
        multiply(acc, stages[now], row, col);
    }
    bool finite = true;
#pragma unroll
    for (unsigned i = 0; i < DOWN; ++i) {
#pragma unroll
        for (unsigned j = 0; j < ACROSS; ++j) {
            unsigned r = tile.row + row + 16 * i + lane / 4, c = tile.col + col + 8 * j + lane % 4 * 2;
            finite &= product.put2(r, c, acc[i][j]);
            finite &= product.put2(r + 8, c, acc[i][j] + 2);
        }
    }
    mend(product, left, right, tile, TILE, TILE, finite);
}

}  // namespace split_product
