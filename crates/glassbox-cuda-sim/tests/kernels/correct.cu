// Kernels with nothing wrong about them. The checker has to be silent about each, in any order of threads.

// Elements of any number, by a grid of any size.
extern "C" __global__ void add(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ out,
                               size_t count) {
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count; i += (size_t)gridDim.x * blockDim.x)
        out[i] = a[i] + b[i];
}

// A function with shared memory of its own, once for each size.
template <unsigned SIDE>
__device__ float multiply_tile(const float* a, const float* b, unsigned m, unsigned k, unsigned n) {
    __shared__ float a_tile[SIDE][SIDE], b_tile[SIDE][SIDE];
    unsigned x = threadIdx.x, y = threadIdx.y, row = blockIdx.y * SIDE + y, column = blockIdx.x * SIDE + x;
    float sum = 0.0f;
    for (unsigned t = 0; t < k; t += SIDE) {
        a_tile[y][x] = row < m && t + x < k ? a[(size_t)row * k + t + x] : 0.0f;
        b_tile[y][x] = t + y < k && column < n ? b[(size_t)(t + y) * n + column] : 0.0f;
        __syncthreads();
        for (unsigned i = 0; i < SIDE; ++i) sum = fmaf(a_tile[y][i], b_tile[i][x], sum);
        __syncthreads();
    }
    return sum;
}

// c (m,n) = a (m,k) * b (k,n), by tiles of 16 x 16.
extern "C" __global__ void __launch_bounds__(256)
    multiply_tiled(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ c, unsigned m,
                   unsigned k, unsigned n) {
    unsigned row = blockIdx.y * 16 + threadIdx.y, column = blockIdx.x * 16 + threadIdx.x;
    float sum = multiply_tile<16>(a, b, m, k, n);
    if (row < m && column < n) c[(size_t)row * n + column] = sum;
}

extern "C" __global__ void multiply_small_tiles(const float* __restrict__ a, const float* __restrict__ b,
                                                float* __restrict__ c, unsigned m, unsigned k, unsigned n) {
    unsigned row = blockIdx.y * 4 + threadIdx.y, column = blockIdx.x * 4 + threadIdx.x;
    float sum = multiply_tile<4>(a, b, m, k, n);
    if (row < m && column < n) c[(size_t)row * n + column] = sum;
}

// The block's elements in reverse, through dynamic shared memory.
extern "C" __global__ void reverse(const float* __restrict__ in, float* __restrict__ out) {
    DYNAMIC_SHARED(float, all);
    all[threadIdx.x] = in[threadIdx.x];
    __syncthreads();
    out[threadIdx.x] = all[blockDim.x - 1 - threadIdx.x];
}

// The sum of a warp's lane numbers, by shuffles; the warp may be a part of one.
extern "C" __global__ void sum_of_lanes(unsigned* __restrict__ out) {
    unsigned value = threadIdx.x;
    for (unsigned distance = 16; distance > 0; distance /= 2) {
        unsigned other = __shfl_down_sync(0xffffffffu, value, distance);
        if (threadIdx.x + distance < 32) value += other;
    }
    if (threadIdx.x == 0) out[0] = value;
}

// The halves of a warp go different ways, each with a mask of its own.
extern "C" __global__ void halves(unsigned* __restrict__ out) {
    unsigned value;
    if (threadIdx.x < 16)
        value = __shfl_xor_sync(0x0000ffffu, threadIdx.x, 1);
    else
        value = __shfl_xor_sync(0xffff0000u, threadIdx.x, 2);
    out[threadIdx.x] = value;
}

// Neighbours in a warp exchange values through shared memory.
extern "C" __global__ void exchange_in_warp(unsigned* __restrict__ out) {
    __shared__ unsigned values[32];
    values[threadIdx.x] = threadIdx.x;
    __syncwarp();
    unsigned other = values[threadIdx.x ^ 1];
    __syncwarp();
    values[threadIdx.x] = other * 10;
    __syncwarp();
    out[threadIdx.x] = values[31 - threadIdx.x];
}

// Pairs of lanes synchronise with masks of two.
extern "C" __global__ void exchange_in_pairs(unsigned* __restrict__ out) {
    __shared__ unsigned values[32];
    values[threadIdx.x] = threadIdx.x + 100;
    __syncwarp(3u << (threadIdx.x & ~1u));
    out[threadIdx.x] = values[threadIdx.x ^ 1];
}

// Lanes that left the kernel are not waited for.
extern "C" __global__ void leave_early(unsigned* __restrict__ out) {
    if (threadIdx.x >= 20) return;
    out[threadIdx.x] = __ballot_sync(0xffffffffu, threadIdx.x % 2 == 0);
}

extern "C" __global__ void histogram(const unsigned char* __restrict__ in, unsigned* __restrict__ counts,
                                     unsigned count) {
    __shared__ unsigned mine[16];
    if (threadIdx.x < 16) mine[threadIdx.x] = 0;
    __syncthreads();
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x)
        atomicAdd(&mine[in[i] % 16], 1u);
    __syncthreads();
    if (threadIdx.x < 16) atomicAdd(&counts[threadIdx.x], mine[threadIdx.x]);
}

// Each thread writes one byte, so that four threads write to one word.
extern "C" __global__ void write_bytes(unsigned char* __restrict__ out) {
    out[blockIdx.x * blockDim.x + threadIdx.x] = static_cast<unsigned char>(threadIdx.x * 3);
}

// How many elements are positive, with the barrier that counts.
extern "C" __global__ void count_positive(const float* __restrict__ in, int* __restrict__ out) {
    int count = __syncthreads_count(in[threadIdx.x] > 0.0f);
    int any = __syncthreads_or(in[threadIdx.x] > 1e9f), all = __syncthreads_and(in[threadIdx.x] < 1e9f);
    if (threadIdx.x == 0) out[0] = count, out[1] = any, out[2] = all;
}

// The last block to finish adds up what the others left behind.
extern "C" __global__ void sum_by_last_block(const float* __restrict__ in, float* __restrict__ parts,
                                             unsigned* __restrict__ finished, float* __restrict__ out) {
    __shared__ bool is_last;
    parts[blockIdx.x * blockDim.x + threadIdx.x] = 2.0f * in[blockIdx.x * blockDim.x + threadIdx.x];
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) is_last = atomicAdd(finished, 1u) == gridDim.x - 1;
    __syncthreads();
    if (!is_last || threadIdx.x != 0) return;
    float sum = 0.0f;
    for (unsigned i = 0; i < gridDim.x * blockDim.x; ++i) sum += parts[i];
    *out = sum;
    *finished = 0;
}

// Two buffers: while one is added up, the other is being filled.
extern "C" __global__ void sum_by_copies(const float* __restrict__ in, float* __restrict__ out, unsigned tiles,
                                         unsigned count) {
    __shared__ float4 tile[2][32];
    float sum = 0.0f;
    auto fetch = [&](unsigned t) {
        unsigned at = (t * 32 + threadIdx.x) * 4;
        int valid = at >= count ? 0 : count - at >= 4 ? 16 : 4 * static_cast<int>(count - at);
        sim::cp_async(&tile[t % 2][threadIdx.x], in + (valid == 0 ? 0 : at), 16, valid);
        sim::cp_async_commit();
    };
    fetch(0);
    for (unsigned t = 0; t < tiles; ++t) {
        if (t + 1 < tiles) fetch(t + 1);
        sim::cp_async_wait(t + 1 < tiles ? 1 : 0);
        __syncthreads();
        float4 other = tile[t % 2][31 - threadIdx.x];
        sum += other.x + other.y + other.z + other.w;
        __syncthreads();
    }
    out[threadIdx.x] = sum;
}

__constant__ float TABLE[4] = {1.0f, 10.0f, 100.0f, 1000.0f};
struct Range {
    unsigned begin, end;
    float factor;
};

// A table of constants, an argument of several words, and an array of the thread's own.
extern "C" __global__ void look_up(float* __restrict__ out, Range range) {
    float own[4];
    for (unsigned i = 0; i < 4; ++i) own[(i + threadIdx.x) % 4] = TABLE[i];
    if (threadIdx.x >= range.begin && threadIdx.x < range.end) out[threadIdx.x] = range.factor * own[0];
}

extern "C" __global__ void increment(unsigned* place, unsigned by) { *place += by; }
