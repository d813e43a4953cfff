// Rung 9, tf32: the multiply-adds go to the tensor cores. One instruction of a warp, mma.sync, multiplies 16×8 numbers
// of `a` with 8×8 of `b`: 1024 multiply-adds, 32 for each lane.
//
// Its factors are tf32: numbers with the range of f32 and 10 bits of mantissa instead of 23. So a product is off by up to
// 2⁻¹⁰ of itself; sums are kept in f32. Numbers are rounded once, when they are put into shared memory. A copy by
// cp.async could not round on its way, so the next numbers wait in registers instead, while this step is multiplied.
// Which lane holds which number of a small matrix is the instruction's choice. ldmatrix loads those of `a`; those of `b`
// are loaded one by one. Rows in shared memory are a few words longer than they need be, so that the lanes of a warp meet
// 32 different banks.
//
// Should gain: a tensor core multiplies several times faster than the ordinary units of the same chip, where the maker
// gave it that rate: by the data sheets 8 times on sm_80, but not faster at all on sm_86, sm_89 and sm_120.
// Needs sm_80. Bound by: loads from shared memory, which take about as long as the tensor cores.
#include "ladder.cuh"
#include "sm80.cuh"

constexpr unsigned TILE = 128;  // rows and columns of the output
constexpr unsigned DEPTH = 16;  // numbers along k
constexpr unsigned THREADS = 256;
constexpr unsigned WARP_ROWS = 64, WARP_COLS = 32;
constexpr unsigned DOWN = WARP_ROWS / 16, ACROSS = WARP_COLS / 8;  // products of 16×8 of a warp
constexpr unsigned A_PITCH = DEPTH + 4, B_PITCH = TILE + 8;
constexpr unsigned EACH = TILE * DEPTH / 4 / THREADS;  // quads of each tile that a thread carries

// Numbers on their way from memory to shared memory.
struct Carried {
    float4 a[EACH], b[EACH];
};

struct Stage {
    unsigned a[TILE][A_PITCH], b[DEPTH][B_PITCH];
};

__device__ __forceinline__ void fetch(Carried& next, const Matrix& left, const Matrix& right, Place tile,
                                      unsigned first) {
#pragma unroll
    for (unsigned i = 0; i < EACH; ++i) {
        unsigned e = threadIdx.x + i * THREADS;
        next.a[i] = left.quad(tile.row + e / (DEPTH / 4), first + e % (DEPTH / 4) * 4);
        next.b[i] = right.quad(first + e / (TILE / 4), tile.col + e % (TILE / 4) * 4);
    }
}

__device__ __forceinline__ uint4 rounded(float4 x) {
    return make_uint4(to_tf32(x.x), to_tf32(x.y), to_tf32(x.z), to_tf32(x.w));
}

__device__ __forceinline__ void fill(Stage& stage, const Carried& next) {
#pragma unroll
    for (unsigned i = 0; i < EACH; ++i) {
        unsigned e = threadIdx.x + i * THREADS;
        *reinterpret_cast<uint4*>(&stage.a[e / (DEPTH / 4)][e % (DEPTH / 4) * 4]) = rounded(next.a[i]);
        *reinterpret_cast<uint4*>(&stage.b[e / (TILE / 4)][e % (TILE / 4) * 4]) = rounded(next.b[i]);
    }
}

__device__ __forceinline__ void multiply(float (&acc)[DOWN][ACROSS][4], const Stage& stage, unsigned row,
                                         unsigned col) {
    unsigned lane = threadIdx.x % 32;
#pragma unroll
    for (unsigned p = 0; p < DEPTH; p += 8) {
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
            for (unsigned j = 0; j < ACROSS; ++j) mma_tf32(acc[i][j], x[i], y[j]);
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 2)
    matmul_09_tf32(float* __restrict__ out, const float* __restrict__ a, const float* __restrict__ b, unsigned m,
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
