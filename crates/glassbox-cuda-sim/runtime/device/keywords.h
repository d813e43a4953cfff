// The words that CUDA C++ adds to the language, as macros. They come last, after every header of the C++ library, which
// has some of these words for itself.
#pragma once
#include "threads.h"

#define threadIdx (sim::thread_index())
#define blockIdx (sim::block_index())
#define blockDim (sim::block_size())
#define gridDim (sim::grid_size())
#define warpSize 32

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __constant__ static
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __restrict__ __restrict
// Variables without a first value, which go to a section of their own. compile.rs gives it a name by the file, so that
// the runtime knows where a file's shared memory begins and ends, and can make it unwritten again before each block.
#define __shared__ static
// `extern __shared__ T name[]` cannot be said in C++, so kernels say this.
#define DYNAMIC_SHARED(T, name) T* name = static_cast<T*>(sim::dynamic_shared())

#undef assert
#define assert(condition) ((condition) ? void() : sim::trap("assertion failed: " #condition, __FILE__, __LINE__))
