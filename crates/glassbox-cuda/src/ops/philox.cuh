// Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC11): random numbers as a function of a key and a counter, the same
// as glassbox-cpu/src/reference/philox.rs gives.
#pragma once

#include "common.cuh"

struct Block4 {
    unsigned c[4];
};

// Ten rounds that mix a counter under a key.
__device__ __forceinline__ Block4 philox4x32(unsigned c0, unsigned c1, unsigned c2, unsigned c3, unsigned k0, unsigned k1) {
    for (int round = 0; round < 10; ++round) {
        unsigned high0 = __umulhi(c0, 0xD2511F53u), low0 = c0 * 0xD2511F53u;
        unsigned high1 = __umulhi(c2, 0xCD9E8D57u), low1 = c2 * 0xCD9E8D57u;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    Block4 block = {{c0, c1, c2, c3}};
    return block;
}

// A stream: key (k0, k1), and counter words 1 to 3. Word 0 counts blocks of four numbers.
struct Stream {
    unsigned k0, k1, step, epoch, purpose;
};

// Element `index` of a stream as a multiple of 2⁻²⁴, uniform in [0, 1).
__device__ __forceinline__ float uniform(Stream s, u64 index) {
    Block4 block = philox4x32(unsigned(index / 4), s.step, s.epoch, s.purpose, s.k0, s.k1);
    return float(block.c[index % 4] >> 8) * (1.0f / 16777216.0f);
}

// What dropout leaves of element `index`: x · scale where the stream's number for it is at least p, 0 elsewhere.
__device__ __forceinline__ float drop_out(Stream s, u64 index, float p, float scale, float x) {
    return uniform(s, index) < p ? 0.0f : x * scale;
}
