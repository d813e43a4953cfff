// The first lesson: out = a + b, each element by a thread of its own. examples/vector_add.rs is the program that runs it.
//
// A program for a GPU has two halves. The host, an ordinary program on the CPU, owns the process. It copies numbers to
// the device's memory, launches a kernel there, and copies results back. This file is the other half: the kernel.
//
// `__global__` makes a function a kernel: the host launches it, the device runs it. `extern "C"` keeps its name as it
// is, so that the host finds it by that name.
//
// A kernel is written as if for one thread. A launch starts very many, and all run the same text. They come in groups:
//   - A block is a group of threads, at most 1024. Its threads run on one multiprocessor and can work together.
//   - The grid is all blocks of a launch. They run in any order, so no block may wait for another.
//   - A warp is 32 neighbouring threads of a block. The hardware runs a warp as one: the same instruction for all of
//     them at a time. Nothing in the text says so, but every later lesson is about it.
//
// So the one thing in which threads differ is where they are. Four built-in variables tell that:
//   - threadIdx.x: the thread's number in its block, from 0.
//   - blockIdx.x: the block's number in the grid, from 0.
//   - blockDim.x: how many threads a block has.
//   - gridDim.x: how many blocks the grid has.
//
// Blocks of 4 threads, three of them, for n = 10:
//
//     blockIdx.x     0 0 0 0   1 1 1 1   2 2  2  2
//     threadIdx.x    0 1 2 3   0 1 2 3   0 1  2  3
//     i              0 1 2 3   4 5 6 7   8 9 10 11     i = blockIdx.x · blockDim.x + threadIdx.x
//
// The last two have no element: 10 is no multiple of 4. Without the test `i < n` they would write behind the end of the
// array, into memory of someone else. Forgetting that test is the most common mistake of all.
//
// The test stands in a loop. With a thread for each element, each thread goes through it once. With fewer, a thread
// goes on where the grid ends: it takes every element that is a multiple of the whole grid further. This form, the
// grid-stride loop, is right for every grid and every block, so the launch may choose both freely.
//
// Neighbouring threads read neighbouring elements. So the 32 reads of a warp lie in 128 bytes one after another, and
// the hardware makes one access of them. Such reads are called coalesced; ladder/matmul shows what happens without.
//
// What bounds it: for one addition, 12 bytes go through memory. Any GPU could do far more additions in that time, so it
// is bound by memory bandwidth, and no cleverness in the arithmetic can help.
//
// `__restrict__` promises that the three arrays do not overlap, which lets the compiler read ahead of writes. `const`
// says which are only read. n has 64 bits, since arrays can have more than 2³² elements.

extern "C" __global__ void vector_add(float* __restrict__ out, const float* __restrict__ a, const float* __restrict__ b,
                                      unsigned long long n) {
    unsigned long long threads = (unsigned long long)gridDim.x * blockDim.x;
    unsigned long long i = (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x;
    for (; i < n; i += threads) {
        out[i] = a[i] + b[i];
    }
}
