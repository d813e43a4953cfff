// Rung 6, vectorized: four numbers in one access, float4, wherever numbers are copied.
//
// Where rows begin at multiples of 16 bytes, a thread reads 16 bytes of `a` and of `b` at once, and writes the output in
// the same way; other sizes take the numbers one by one. The tile of `a` is turned on its way into shared memory, so
// that the 8 numbers of a column that a thread needs for one p are neighbours there: two loads instead of eight.
//
// Should gain: a quarter of the load and store instructions, and copies that use the whole width of memory.
// Bound by: bank conflicts. A float4 is loaded by 8 threads at a time; two threads 8 columns apart leave a gap of 16
// bytes, so the 8 need 256 bytes instead of 128, which are two turns.
#include "rungs.cuh"

constexpr unsigned TILE = 128;  // rows and columns of the output
constexpr unsigned DEPTH = 8;   // numbers along k
constexpr unsigned SIDE = 8;    // of a thread's tile
constexpr unsigned ACROSS = TILE / SIDE;
constexpr unsigned THREADS = ACROSS * ACROSS;
static_assert(TILE * DEPTH / 4 == THREADS, "a thread copies four numbers into each tile");

extern "C" __global__ void __launch_bounds__(THREADS)
    matmul_06_vectorized(float* __restrict__ out, const float* __restrict__ a, const float* __restrict__ b, unsigned m,
                         unsigned k, unsigned n) {
    __shared__ __align__(16) float a_tile[DEPTH][TILE], b_tile[DEPTH][TILE];
    const Matrix left = {a, m, k}, right = {b, k, n};
    const Output product = {out, m, n};
    Place tile = tile_of_block(n, TILE, TILE);
    unsigned row = threadIdx.x / ACROSS * SIDE, col = threadIdx.x % ACROSS * SIDE;
    unsigned a_row = threadIdx.x / (DEPTH / 4), a_col = threadIdx.x % (DEPTH / 4) * 4;
    unsigned b_row = threadIdx.x / (TILE / 4), b_col = threadIdx.x % (TILE / 4) * 4;
    float acc[SIDE][SIDE] = {};
    for (unsigned first = 0; first < k; first += DEPTH) {
        float4 four = left.quad(tile.row + a_row, first + a_col);
        a_tile[a_col][a_row] = four.x;
        a_tile[a_col + 1][a_row] = four.y;
        a_tile[a_col + 2][a_row] = four.z;
        a_tile[a_col + 3][a_row] = four.w;
        *reinterpret_cast<float4*>(&b_tile[b_row][b_col]) = right.quad(first + b_row, tile.col + b_col);
        __syncthreads();
#pragma unroll
        for (unsigned p = 0; p < DEPTH; ++p) {
            float x[SIDE], y[SIDE];
            load4(x, &a_tile[p][row]);
            load4(x + 4, &a_tile[p][row + 4]);
            load4(y, &b_tile[p][col]);
            load4(y + 4, &b_tile[p][col + 4]);
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
        finite &= product.put4(tile.row + row + i, tile.col + col, acc[i]);
        finite &= product.put4(tile.row + row + i, tile.col + col + 4, acc[i] + 4);
    }
    mend(product, left, right, tile, TILE, TILE, finite);
}
