// Rung 11, split: the accuracy of f32 from tensor cores that know only tf32.
//
// Each number is split into a big part, the nearest tf32, and a small one, the nearest tf32 to what is left. The big part
// keeps 11 bits and the small one as many of the remaining 12 or 13, so at most the last bit of an f32 is lost. Then
//   x · y ≈ big·big + big·small + small·big
// in three multiplications by tensor core. small·small is left out: it is 2⁻²² of the product at most. Altogether a
// product is off by up to 2⁻²¹ of itself, eight half-units of f32.
//
// Tensor cores cut off what does not fit where ordinary units round, and over a long chain that adds up. So the sum of
// every 8 products starts at zero on the tensor cores, and is added to the chain by an ordinary addition, which rounds.
// That makes the error of the sums grow with k / 8, where that of a chain of f32 grows with k: `Rung::bound` in
// src/ladder.rs states both.
//
// Should gain: where tensor cores are 8 times as fast as ordinary units, three multiplications cost less than one of
// f32. On chips whose tensor cores do tf32 no faster (sm_86, sm_89, sm_120) this rung is slower than rung 8.
// Needs sm_80. Bound by: the tensor cores, three times.
#include "ladder.cuh"
#include "sm80.cuh"

constexpr unsigned TILE = 128;  // rows and columns of the output
constexpr unsigned DEPTH = 8;   // numbers along k
constexpr unsigned THREADS = 256;
constexpr unsigned WARP_ROWS = 64, WARP_COLS = 32;
constexpr unsigned DOWN = WARP_ROWS / 16, ACROSS = WARP_COLS / 8;  // products of 16×8 of a warp
constexpr unsigned A_PITCH = DEPTH + 4, B_PITCH = TILE + 8;
static_assert(TILE * DEPTH / 4 == THREADS, "a thread carries four numbers of each tile");

// Numbers on their way from memory to shared memory.
struct Carried {
    float4 a, b;
};

// The big parts and the small ones.
struct Stage {
    unsigned a[2][TILE][A_PITCH], b[2][DEPTH][B_PITCH];
};

__device__ __forceinline__ void fetch(Carried& next, const Matrix& left, const Matrix& right, Place tile,
                                      unsigned first) {
    unsigned e = threadIdx.x;
    next.a = left.quad(tile.row + e / (DEPTH / 4), first + e % (DEPTH / 4) * 4);
    next.b = right.quad(first + e / (TILE / 4), tile.col + e % (TILE / 4) * 4);
}

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

__device__ __forceinline__ void fill(Stage& stage, const Carried& next) {
    unsigned e = threadIdx.x, a_row = e / (DEPTH / 4), a_col = e % (DEPTH / 4) * 4;
    unsigned b_row = e / (TILE / 4), b_col = e % (TILE / 4) * 4;
    split(&stage.a[0][a_row][a_col], &stage.a[1][a_row][a_col], next.a);
    split(&stage.b[0][b_row][b_col], &stage.b[1][b_row][b_col], next.b);
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

extern "C" __global__ void __launch_bounds__(THREADS, 2)
    matmul_11_split(float* __restrict__ out, const float* __restrict__ a, const float* __restrict__ b, unsigned m,
                    unsigned k, unsigned n) {
    __shared__ __align__(16) Stage stages[2];
    const Matrix left = {a, m, k}, right = {b, k, n};
    const Output product = {out, m, n};
    Place tile = tile_of_block(n, TILE, TILE);
    unsigned warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    unsigned row = warp / (TILE / WARP_COLS) * WARP_ROWS, col = warp % (TILE / WARP_COLS) * WARP_COLS;
    float acc[DOWN][ACROSS][4] = {};
    Carried next;
    fetch(next, left, right, tile, 0);
    for (unsigned first = 0, now = 0; first < k; first += DEPTH, now ^= 1) {  // mutant: one step more adds zeros
        fill(stages[now], next);
        __syncthreads();
        fetch(next, left, right, tile, first + DEPTH);
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
