// Rung 10, bf16: factors of 16 bits, two in a word of shared memory.
//
// bf16 is the upper half of an f32: the same range, 7 bits of mantissa, so a product is off by up to 2⁻⁷ of itself; sums
// are kept in f32. The rounding is bit arithmetic on the way into shared memory. A word holds two neighbours along k, so
// a thread needs two rows of `b` to make one. The lanes of an mma.sync hold words exactly as they hold numbers in rung 9;
// only what is in a word has changed, and with it how far an instruction goes along k: 16 numbers instead of 8.
//
// Should gain: half the shared memory and half the loads for each multiply-add, and twice the multiply-adds an
// instruction, at twice the rate by the data sheets.
// Needs sm_80. Bound by: the integer operations that round, half a dozen for each number that is carried, beside the
// loads from shared memory.
#include "ladder.cuh"
#include "sm80.cuh"

constexpr unsigned TILE = 128;      // rows and columns of the output
constexpr unsigned DEPTH = 32;      // numbers along k
constexpr unsigned WORDS = DEPTH / 2;
constexpr unsigned THREADS = 256;
constexpr unsigned WARP_ROWS = 64, WARP_COLS = 32;
constexpr unsigned DOWN = WARP_ROWS / 16, ACROSS = WARP_COLS / 8;  // products of 16×8 of a warp
constexpr unsigned A_PITCH = WORDS + 4, B_PITCH = TILE + 8;
constexpr unsigned EACH = TILE * WORDS / 4 / THREADS;  // four words of each tile that a thread carries

// Numbers on their way from memory to shared memory: of `a` eight in a row, of `b` four in each of two rows.
struct Carried {
    float4 a[EACH][2], b[EACH][2];
};

struct Stage {
    unsigned a[TILE][A_PITCH], b[WORDS][B_PITCH];
};

__device__ __forceinline__ void fetch(Carried& next, const Matrix& left, const Matrix& right, Place tile,
                                      unsigned first) {
#pragma unroll
    for (unsigned i = 0; i < EACH; ++i) {
        unsigned e = threadIdx.x + i * THREADS;
        unsigned a_row = tile.row + e / (WORDS / 4), a_col = first + e % (WORDS / 4) * 8;
        unsigned b_row = first + e / (TILE / 4) * 2, b_col = tile.col + e % (TILE / 4) * 4;
        next.a[i][0] = left.quad(a_row, a_col);
        next.a[i][1] = left.quad(a_row, a_col + 4);
        next.b[i][0] = right.quad(b_row, b_col);
        next.b[i][1] = right.quad(b_row + 1, b_col);
    }
}

__device__ __forceinline__ uint4 along_row(float4 x, float4 y) {
    return make_uint4(pack_bf16(x.x, x.y), pack_bf16(x.z, x.w), pack_bf16(y.x, y.y), pack_bf16(y.z, y.w));
}

__device__ __forceinline__ uint4 down_columns(float4 x, float4 y) {
    return make_uint4(pack_bf16(x.x, y.x), pack_bf16(x.y, y.y), pack_bf16(x.z, y.z), pack_bf16(x.w, y.w));
}

__device__ __forceinline__ void fill(Stage& stage, const Carried& next) {
#pragma unroll
    for (unsigned i = 0; i < EACH; ++i) {
        unsigned e = threadIdx.x + i * THREADS;
        uint4 a_words = along_row(next.a[i][0], next.a[i][1]), b_words = down_columns(next.b[i][0], next.b[i][1]);
        *reinterpret_cast<uint4*>(&stage.a[e / (WORDS / 4)][e % (WORDS / 4) * 4]) = a_words;
        *reinterpret_cast<uint4*>(&stage.b[e / (TILE / 4)][e % (TILE / 4) * 4]) = b_words;
    }
}

__device__ __forceinline__ void multiply(float (&acc)[DOWN][ACROSS][4], const Stage& stage, unsigned row,
                                         unsigned col) {
    unsigned lane = threadIdx.x % 32;
#pragma unroll
    for (unsigned p = 0; p < WORDS; p += 8) {
        unsigned x[DOWN][4], y[ACROSS][2];
#pragma unroll
        for (unsigned i = 0; i < DOWN; ++i) ldmatrix_x4(x[i], &stage.a[row + 16 * i + lane % 16][p + lane / 16 * 4]);
#pragma unroll
        for (unsigned j = 0; j < ACROSS; ++j) {
            y[j][0] = stage.b[p + lane % 4][col + 8 * j + lane / 4];
            y[j][1] = stage.b[p + lane % 4 + 4][col + 8 * j + lane / 4];
        }
#pragma unroll
        for (unsigned i = 0; i < DOWN; ++i) {
#pragma unroll
            for (unsigned j = 0; j < ACROSS; ++j) mma_bf16(acc[i][j], x[i], y[j]);
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 2)
    matmul_10_bf16(float* __restrict__ out, const float* __restrict__ a, const float* __restrict__ b, unsigned m,
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
