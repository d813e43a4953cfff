// What chips from sm_80 on add: copies into shared memory that run by themselves, tensor cores, and their formats. All
// inline PTX of the project stands here, each instruction beside its twin for the simulator.
#pragma once

#include "common.cuh"

// Starts copying 4, 8 or 16 bytes from global to shared memory, both at a multiple of as many. Where `is_inside` is
// false nothing is read and zeros are written. 16 bytes go by the L1 cache, which has no use for them.
template <int BYTES>
__device__ __forceinline__ void cp_async(void* shared, const void* global, bool is_inside) {
#ifdef GLASSBOX_SIM
    sim::cp_async(shared, global, BYTES, is_inside ? BYTES : 0);
#else
    unsigned to = unsigned(__cvta_generic_to_shared(shared));
    int valid = is_inside ? BYTES : 0;
    if constexpr (BYTES == 16) {
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(valid) : "memory");
    } else {
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(to), "l"(global), "n"(BYTES), "r"(valid)
                     : "memory");
    }
#endif
}

// All copies that this thread started since the last commit are a group.
__device__ __forceinline__ void cp_async_commit() {
#ifdef GLASSBOX_SIM
    sim::cp_async_commit();
#else
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits until at most PENDING of this thread's groups are under way. Other threads' copies need a barrier besides.
template <int PENDING>
__device__ __forceinline__ void cp_async_wait() {
#ifdef GLASSBOX_SIM
    sim::cp_async_wait(PENDING);
#else
    asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
#endif
}

// Loads four matrices of 8 rows of 16 bytes from shared memory. Lane i names row i % 8 of matrix i / 8, at a multiple of
// 16 bytes. It gets one word of each matrix: word i % 4 of row i / 4.
__device__ __forceinline__ void ldmatrix_x4(unsigned (&d)[4], const unsigned* row) {
#ifdef GLASSBOX_SIM
    sim::ldmatrix_x4(d, row);
#else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
                 : "r"(unsigned(__cvta_generic_to_shared(row)))
                 : "memory");
#endif
}

// d (16,8) += a (16,8) · b (8,8), tf32, by all lanes of a warp. With g = lane / 4 and t = lane % 4, a lane holds
//   a: (g,t) (g+8,t) (g,t+4) (g+8,t+4)      b: (t,g) (t+4,g)      d: (g,2t) (g,2t+1) (g+8,2t) (g+8,2t+1)
__device__ __forceinline__ void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
#ifdef GLASSBOX_SIM
    sim::mma_tf32_16x8x8(d, a, b);
#else
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

// d (16,8) += a (16,16) · b (16,8), bf16. Registers are as above, with words of two neighbours along k in the place of
// single numbers, the first in the lower half.
__device__ __forceinline__ void mma_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
#ifdef GLASSBOX_SIM
    sim::mma_bf16_16x8x16(d, a, b);
#else
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

// The nearest number of tf32, an f32 whose last 13 bits are zero; ties go away from zero. What is not finite stays so.
// cvt.rna.tf32 would be assembled to the same three instructions.
__device__ __forceinline__ unsigned to_tf32(float x) {
    unsigned bits = __float_as_uint(x);
    return (fabsf(x) < INFINITE ? bits + 0x1000u : bits) & 0xffffe000u;
}

// The nearest bf16, the upper half of an f32; ties go to even. What is not finite stays so.
__device__ __forceinline__ unsigned to_bf16(float x) {
    unsigned bits = __float_as_uint(x);
    return (fabsf(x) < INFINITE ? bits + 0x7fffu + (bits >> 16 & 1u) : bits) >> 16;
}

// Two neighbours along k as a word.
__device__ __forceinline__ unsigned pack_bf16(float first, float second) {
    return to_bf16(first) | to_bf16(second) << 16;
}
