// Kernels with nothing wrong about them, for the tests of the simulator.

extern "C" __global__ void add(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ out, size_t count) {
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count; i += (size_t)gridDim.x * blockDim.x)
        out[i] = a[i] + b[i];
}

// c (m,n) = a (m,k) * b (k,n), by tiles of 16 x 16.
extern "C" __global__ void __launch_bounds__(256) multiply_tiled(const float* __restrict__ a, const float* __restrict__ b,
                                                                 float* __restrict__ c, unsigned m, unsigned k, unsigned n) {
    __shared__ float a_tile[16][16], b_tile[16][16];
    unsigned row = blockIdx.y * 16 + threadIdx.y, column = blockIdx.x * 16 + threadIdx.x;
    float sum = 0.0f;
    for (unsigned t = 0; t < k; t += 16) {
        a_tile[threadIdx.y][threadIdx.x] = row < m && t + threadIdx.x < k ? a[(size_t)row * k + t + threadIdx.x] : 0.0f;
        b_tile[threadIdx.y][threadIdx.x] = t + threadIdx.y < k && column < n ? b[(size_t)(t + threadIdx.y) * n + column] : 0.0f;
        __syncthreads();
        for (unsigned i = 0; i < 16; ++i) sum = fmaf(a_tile[threadIdx.y][i], b_tile[i][threadIdx.x], sum);
        __syncthreads();
    }
    if (row < m && column < n) c[(size_t)row * n + column] = sum;
}
