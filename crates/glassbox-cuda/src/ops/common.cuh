// What all kernels share. No header of CUDA or of C is included anywhere, so NVRTC needs nothing else.
#pragma once

#ifndef GLASSBOX_SIM
// Shared memory whose size the launch decides.
#define DYNAMIC_SHARED(T, name)                                  \
    extern __shared__ __align__(16) unsigned char name##_bytes[]; \
    T* name = reinterpret_cast<T*>(name##_bytes)
#endif

typedef unsigned long long u64;

// Threads of a warp, and the mask that names all of them.
constexpr unsigned WARP = 32, ALL = 0xffffffffu;

// The kernels' own name for infinity, which NVRTC does not define.
#define INFINITE __int_as_float(0x7f800000)

// This thread's place in a loop over n elements, and the step of that loop: correct for any grid and block.
__device__ __forceinline__ u64 first_element() { return u64(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ __forceinline__ u64 element_step() { return u64(gridDim.x) * blockDim.x; }

// Neither infinite nor NaN.
__device__ __forceinline__ bool is_finite(float x) { return x - x == 0.0f; }

// The end of a chain of multiply-adds: a product that underflows can leave −0 behind, and −0 + 0 is +0.
__device__ __forceinline__ float end_of_chain(float acc) { return acc + 0.0f; }

// Σ a·b over `terms` terms in order, those with a factor of zero left out: the definition, word for word. Where a
// chain without the tests is finite, it has the same bits.
__device__ __noinline__ float chain(const float* a, u64 a_step, const float* b, u64 b_step, unsigned terms) {
    float acc = 0.0f;
    for (unsigned p = 0; p < terms; ++p) {
        float x = a[p * a_step], y = b[p * b_step];
        if (x != 0.0f && y != 0.0f) acc = fmaf(x, y, acc);
    }
    return end_of_chain(acc);
}
