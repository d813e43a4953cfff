// Rung 6, vectorized: four numbers in one access, float4, wherever numbers are moved.
//
// Where rows begin at multiples of 16 bytes, a thread reads 16 bytes of `a` and of `b` at once, and writes the output in
// the same way; other sizes go number by number. A thread takes four numbers along k from each of its rows of `a` at a
// time, and four neighbours from a row of `b`. (For shared memory the compiler did that already, where it could.)
//
// Should gain: a quarter of the instructions that move numbers to and from memory, each as wide as memory is.
// Bound by: the bank conflicts of rung 5.
#include "ladder.cuh"

constexpr unsigned TILE = 128;  // rows and columns of the output
constexpr unsigned DEPTH = 8;   // numbers along k
constexpr unsigned SIDE = 8;    // of a thread's tile
constexpr unsigned ACROSS = TILE / SIDE;
constexpr unsigned THREADS = ACROSS * ACROSS;
static_assert(TILE * DEPTH / 4 == THREADS, "a thread copies four numbers into each tile");

extern "C" __global__ void __launch_bounds__(THREADS, 2)
    matmul_06_vectorized(float* __restrict__ out, const float* __restrict__ a, const float* __restrict__ b, unsigned m,
                         unsigned k, unsigned n) {
    __shared__ __align__(16) float a_tile[TILE][DEPTH], b_tile[DEPTH][TILE];
    const Matrix left = {a, m, k}, right = {b, k, n};
    const Output product = {out, m, n};
    Place tile = tile_of_block(n, TILE, TILE);
    unsigned row = threadIdx.x / ACROSS * SIDE, col = threadIdx.x % ACROSS * SIDE;
    unsigned a_row = threadIdx.x / (DEPTH / 4), a_col = threadIdx.x % (DEPTH / 4) * 4;
    unsigned b_row = threadIdx.x / (TILE / 4), b_col = threadIdx.x % (TILE / 4) * 4;
    float acc[SIDE][SIDE] = {};
    for (unsigned first = 0; first < k; first += DEPTH) {  // mutant: one step more adds zeros
        *reinterpret_cast<float4*>(&a_tile[a_row][a_col]) = left.quad(tile.row + a_row, first + a_col);
        *reinterpret_cast<float4*>(&b_tile[b_row][b_col]) = right.quad(first + b_row, tile.col + b_col);
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
                load4(y + 4, &b_tile[p + q][col + 4]);
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
        finite &= product.put4(tile.row + row + i, tile.col + col + 4, acc[i] + 4);
    }
    mend(product, left, right, tile, TILE, TILE, finite);
}
