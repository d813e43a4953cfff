// Products with a factor turned, with the bits of the definition: a thread holds whole chains, k ascending. Those without
// are in ladder/matmul.
//
// Two sizes of tile: 16×16 where there is little to compute, so that as many multiprocessors as possible have a block,
// and 64×64 with 4×4 chains a thread, which reads shared memory half as often as it multiplies.
#include "common.cuh"

// out (m,n) = a · b. Element (i,p) of a lies at a[i·ai + p·ap], element (p,j) of b at b[p·bp + j·bj].
struct Operands {
    float* out;
    const float* a;
    const float* b;
    unsigned m, k, n;
    u64 ai, ap, bp, bj;
};

__device__ __forceinline__ void store_chain(const Operands& x, unsigned i, unsigned j, float acc) {
    if (i >= x.m || j >= x.n) return;
    acc = end_of_chain(acc);
    if (!is_finite(acc)) acc = chain(x.a + i * x.ai, x.ap, x.b + j * x.bj, x.bp, x.k);
    x.out[u64(i) * x.n + j] = acc;
}

// A 16×16 tile, an element a thread.
__device__ __forceinline__ void small_tile(const Operands& x) {
    const unsigned TILE = 16;
    __shared__ float as[TILE][TILE + 1], bs[TILE][TILE + 1];
    unsigned across = (x.n + TILE - 1) / TILE;
    unsigned i0 = blockIdx.x / across * TILE, j0 = blockIdx.x % across * TILE;
    unsigned ti = threadIdx.x / TILE, tj = threadIdx.x % TILE;
    // Neighbouring threads read neighbouring numbers, whichever way the operands lie.
    unsigned ai = x.ai == 1 ? tj : ti, ap = x.ai == 1 ? ti : tj;
    unsigned bp = x.bp == 1 ? tj : ti, bj = x.bp == 1 ? ti : tj;
    float acc = 0.0f;
    for (unsigned p0 = 0; p0 < x.k; p0 += TILE) {  // mutant: one step more adds zeros
        as[ai][ap] = i0 + ai < x.m && p0 + ap < x.k ? x.a[(i0 + ai) * x.ai + (p0 + ap) * x.ap] : 0.0f;
        bs[bp][bj] = p0 + bp < x.k && j0 + bj < x.n ? x.b[(p0 + bp) * x.bp + (j0 + bj) * x.bj] : 0.0f;
        __syncthreads();
        for (unsigned p = 0; p < TILE; ++p) acc = fmaf(as[ti][p], bs[p][tj], acc);
        __syncthreads();
    }
    store_chain(x, i0 + ti, j0 + tj, acc);
}

// A 64×64 tile, 4×4 elements a thread, of 256 threads.
__device__ __forceinline__ void large_tile(const Operands& x) {
    const unsigned TILE = 64, DEPTH = 16, EACH = 4, THREADS = 256;
    __shared__ float as[DEPTH][TILE + 4], bs[DEPTH][TILE + 4];
    unsigned across = (x.n + TILE - 1) / TILE;
    unsigned i0 = blockIdx.x / across * TILE, j0 = blockIdx.x % across * TILE;
    unsigned ti = threadIdx.x / 16, tj = threadIdx.x % 16;
    float acc[EACH][EACH] = {};
    for (unsigned p0 = 0; p0 < x.k; p0 += DEPTH) {  // mutant: one step more adds zeros
        for (unsigned e = threadIdx.x; e < TILE * DEPTH; e += THREADS) {
            unsigned ai = x.ai == 1 ? e % TILE : e / DEPTH, ap = x.ai == 1 ? e / TILE : e % DEPTH;
            unsigned bp = x.bp == 1 ? e % DEPTH : e / TILE, bj = x.bp == 1 ? e / DEPTH : e % TILE;
            as[ap][ai] = i0 + ai < x.m && p0 + ap < x.k ? x.a[(i0 + ai) * x.ai + (p0 + ap) * x.ap] : 0.0f;
            bs[bp][bj] = p0 + bp < x.k && j0 + bj < x.n ? x.b[(p0 + bp) * x.bp + (j0 + bj) * x.bj] : 0.0f;
        }
        __syncthreads();
#pragma unroll
        for (unsigned p = 0; p < DEPTH; ++p) {
            float ra[EACH], rb[EACH];
#pragma unroll
            for (unsigned e = 0; e < EACH; ++e) {
                ra[e] = as[p][ti * EACH + e];
                rb[e] = bs[p][tj * EACH + e];
            }
#pragma unroll
            for (unsigned i = 0; i < EACH; ++i) {
#pragma unroll
                for (unsigned j = 0; j < EACH; ++j) acc[i][j] = fmaf(ra[i], rb[j], acc[i][j]);
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (unsigned i = 0; i < EACH; ++i) {
#pragma unroll
        for (unsigned j = 0; j < EACH; ++j) store_chain(x, i0 + ti * EACH + i, j0 + tj * EACH + j, acc[i][j]);
    }
}

// out (m,n) = aᵀ · b, with a (k,m) and b (k,n)
extern "C" __global__ void __launch_bounds__(256) matmul_at(float* __restrict__ out, const float* __restrict__ a,
                                                            const float* __restrict__ b, unsigned m, unsigned k, unsigned n) {
    small_tile({out, a, b, m, k, n, 1, m, n, 1});
}
extern "C" __global__ void __launch_bounds__(256, 2) matmul_at_large(float* __restrict__ out, const float* __restrict__ a,
                                                                  const float* __restrict__ b, unsigned m, unsigned k, unsigned n) {
    large_tile({out, a, b, m, k, n, 1, m, n, 1});
}

// out (m,n) = a · bᵀ, with a (m,k) and b (n,k)
extern "C" __global__ void __launch_bounds__(256) matmul_bt(float* __restrict__ out, const float* __restrict__ a,
                                                            const float* __restrict__ b, unsigned m, unsigned k, unsigned n) {
    small_tile({out, a, b, m, k, n, k, 1, 1, k});
}
extern "C" __global__ void __launch_bounds__(256, 2) matmul_bt_large(float* __restrict__ out, const float* __restrict__ a,
                                                                  const float* __restrict__ b, unsigned m, unsigned k, unsigned n) {
    large_tile({out, a, b, m, k, n, k, 1, 1, k});
}
