// Products with a factor turned on tensor cores, as exact as f32 is: ladder/matmul/11_split.sm80.cu tells how.
#include "split.cuh"

// out (m,n) = aᵀ · b, with a (k,m) and b (k,n)
extern "C" __global__ void __launch_bounds__(split_product::THREADS, 2)
    matmul_at_split(float* __restrict__ out, const float* __restrict__ a, const float* __restrict__ b, unsigned m,
                    unsigned k, unsigned n) {
    split_product::run(Output{out, m, n}, Turned{a, m, k}, Matrix{b, k, n});
}

// out (m,n) = a · bᵀ, with a (m,k) and b (n,k)
extern "C" __global__ void __launch_bounds__(split_product::THREADS, 2)
    matmul_bt_split(float* __restrict__ out, const float* __restrict__ a, const float* __restrict__ b, unsigned m,
                    unsigned k, unsigned n) {
    split_product::run(Output{out, m, n}, Matrix{a, m, k}, Turned{b, k, n});
}
