// One fault in each kernel. The line that a report has to name ends in a comment with the kernel's name.

// The neighbour's value may not be there.
extern "C" __global__ void missing_barrier(float* out) {
    __shared__ float all[64];
    all[threadIdx.x] = 1.0f;
    out[threadIdx.x] = all[63 - threadIdx.x];  // missing_barrier
}

template <unsigned COUNT>
__device__ float reversed_by(float value) {
    __shared__ float all[COUNT];
    all[threadIdx.x] = value;
    return all[COUNT - 1 - threadIdx.x];  // missing_barrier_in_template
}

extern "C" __global__ void missing_barrier_in_template(float* out) { out[threadIdx.x] = reversed_by<64>(1.0f); }

// The next round overwrites what others have not read.
extern "C" __global__ void missing_second_barrier(float* out) {
    __shared__ float all[64];
    float sum = 0.0f;
    for (unsigned round = 0; round < 3; ++round) {
        all[threadIdx.x] = round;  // missing_second_barrier
        __syncthreads();
        sum += all[63 - threadIdx.x];
    }
    out[threadIdx.x] = sum;
}

extern "C" __global__ void beyond_global(float* out, unsigned count) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i <= count) out[i] = 1.0f;  // beyond_global
}

extern "C" __global__ void beyond_array(float* out) {
    __shared__ float all[32];
    all[threadIdx.x + 1] = 1.0f;  // beyond_array
    out[threadIdx.x] = 1.0f;
}

// The last member of a structure.
struct Tail {
    float first, rest[2];
};
extern "C" __global__ void beyond_member(float* out) {
    Tail tail = {};
    for (unsigned i = 0; i <= 2; ++i) tail.rest[i] = float(i);  // beyond_member
    out[threadIdx.x] = tail.first + tail.rest[threadIdx.x % 2];
}

// Structures in an array.
extern "C" __global__ void beyond_pairs(float* out) {
    float2 pairs[2];
    for (unsigned i = 0; i <= 2; ++i) pairs[i] = make_float2(float(i), 1.0f);  // beyond_pairs
    out[threadIdx.x] = pairs[threadIdx.x % 2].x + pairs[0].y;
}

extern "C" __global__ void beyond_dynamic(float* out) {
    DYNAMIC_SHARED(float, all);
    all[threadIdx.x + 1] = 1.0f;  // beyond_dynamic
    out[threadIdx.x] = 1.0f;
}

extern "C" __global__ void divergent_barrier(float* out) {
    if (threadIdx.x < 16) __syncthreads();  // divergent_barrier
    out[threadIdx.x] = 1.0f;
}

extern "C" __global__ void two_barriers(float* out) {
    if (threadIdx.x < 16)
        __syncthreads();
    else
        __syncthreads();  // two_barriers
    out[threadIdx.x] = 1.0f;
}

extern "C" __global__ void write_race_between_blocks(float* out) {
    if (threadIdx.x == 0) out[0] = blockIdx.x;  // write_race_between_blocks
}

extern "C" __global__ void sum_without_atomic(float* out) {
    out[0] += 1.0f;  // sum_without_atomic
}

extern "C" __global__ void plain_beside_atomic(unsigned* out) {
    if (threadIdx.x == 40)
        out[0] = 1;  // plain_beside_atomic
    else
        atomicAdd(out, 1u);
}

// Lane 20 is not among those that take part.
extern "C" __global__ void shuffle_from_absent_lane(unsigned* out) {
    if (threadIdx.x < 16) out[threadIdx.x] = __shfl_sync(0xffffu, threadIdx.x, 20);  // shuffle_from_absent_lane
}

// Half of the lanes have left, and are read all the same.
extern "C" __global__ void shuffle_from_lane_that_left(unsigned* out) {
    if (threadIdx.x >= 16) return;
    out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, threadIdx.x, 16);  // shuffle_from_lane_that_left
}

// Half of the lanes wait for the other half, which waits at the barrier.
extern "C" __global__ void warp_waits_for_ever(unsigned* out) {
    if (threadIdx.x < 16) out[threadIdx.x] = __shfl_sync(0xffffffffu, threadIdx.x, 0);  // warp_waits_for_ever
    __syncthreads();
}

extern "C" __global__ void not_in_own_mask(unsigned* out) {
    out[threadIdx.x] = __ballot_sync(0xffffu, 1);  // not_in_own_mask
}

extern "C" __global__ void missing_syncwarp(unsigned* out) {
    __shared__ unsigned values[32];
    values[threadIdx.x] = threadIdx.x;
    out[threadIdx.x] = values[threadIdx.x ^ 1];  // missing_syncwarp
}

// Each pair waits for itself, and reads the next pair's value.
extern "C" __global__ void syncwarp_of_too_few(unsigned* out) {
    __shared__ unsigned values[32];
    values[threadIdx.x] = threadIdx.x;
    __syncwarp(3u << (threadIdx.x & ~1u));
    out[threadIdx.x] = values[threadIdx.x ^ 2];  // syncwarp_of_too_few
}

extern "C" __global__ void unwritten_shared(float* out) {
    __shared__ float all[64];
    if (threadIdx.x != 5) all[threadIdx.x] = 1.0f;
    __syncthreads();
    out[threadIdx.x] = all[threadIdx.x];  // unwritten_shared
}

extern "C" __global__ void unwritten_global(const float* in, float* out) {
    out[threadIdx.x] = in[threadIdx.x];  // unwritten_global
}

extern "C" __global__ void misaligned(const float* in, float* out) {
    float4 four = *reinterpret_cast<const float4*>(in + threadIdx.x);  // misaligned
    out[threadIdx.x] = four.x;
}

extern "C" __global__ void missing_copy_wait(const float* in, float* out) {
    __shared__ float4 tile[32];
    sim::cp_async(&tile[threadIdx.x], in + 4 * threadIdx.x, 16, 16);
    sim::cp_async_commit();
    __syncthreads();
    out[threadIdx.x] = tile[threadIdx.x].x;  // missing_copy_wait
}

// A copy that belongs to no group is waited for by nobody.
extern "C" __global__ void missing_copy_commit(const float* in, float* out) {
    __shared__ float4 tile[32];
    sim::cp_async(&tile[threadIdx.x], in + 4 * threadIdx.x, 16, 16);
    sim::cp_async_wait(0);
    __syncthreads();
    out[threadIdx.x] = tile[threadIdx.x].x;  // missing_copy_commit
}

// Whoever waits has its own copies, and not those of others.
extern "C" __global__ void missing_barrier_after_copy(const float* in, float* out) {
    __shared__ float4 tile[64];
    sim::cp_async(&tile[threadIdx.x], in + 4 * threadIdx.x, 16, 16);
    sim::cp_async_commit();
    sim::cp_async_wait(0);
    out[threadIdx.x] = tile[63 - threadIdx.x].x;  // missing_barrier_after_copy
}

extern "C" __global__ void an_assertion(unsigned* out) {
    assert(threadIdx.x != 3);  // an_assertion
    out[threadIdx.x] = 1;
}

// The last block adds up, but nobody saw to it that it sees the others' parts.
extern "C" __global__ void missing_fence(float* parts, unsigned* finished, float* out) {
    parts[blockIdx.x] = 1.0f;
    if (atomicAdd(finished, 1u) != gridDim.x - 1) return;
    float sum = 0.0f;
    for (unsigned i = 0; i < gridDim.x; ++i) sum += parts[i];  // missing_fence
    *out = sum;
}

extern "C" __global__ void division_by_zero(int* out, int by) {
    out[threadIdx.x] = 100 / by;  // division_by_zero
}
