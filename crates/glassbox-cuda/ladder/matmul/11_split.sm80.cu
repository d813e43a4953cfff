// Rung 11, split: the accuracy of f32 from tensor cores that know only tf32.
//
// Each number is split into a big part, the nearest tf32, and a small one, the nearest tf32 to what is left. The big part
// keeps 11 bits and the small one as many of the remaining 12 or 13, so at most the last bit of an f32 is lost. Then
//   x · y ≈ big·big + big·small + small·big
// in three multiplications by tensor core. small·small is left out: it is 2⁻²² of the product at most. Altogether a
// product is off by up to 2⁻²¹ of itself, eight half-units of f32.
//
// Tensor cores cut off what does not fit where ordinary units round, and over a long chain that adds up. So the sum of
// every 8 products starts at zero on the tensor cores, and is added to the chain by an ordinary addition, which rounds.
// That makes the error of the sums grow with k / 8, where that of a chain of f32 grows with k: `Rung::bound` in
// src/ladder.rs states both.
//
// Should gain: where tensor cores are 8 times as fast as ordinary units, three multiplications cost less than one of
// f32. On chips whose tensor cores do tf32 no faster, by the data sheets sm_86, sm_89 and sm_120, it has nothing to gain.
// Needs sm_80. Bound by: the tensor cores, three times. The text is in src/ops/split.cuh, since the engine multiplies in
// this way also where a factor is turned.
#include "split.cuh"

extern "C" __global__ void __launch_bounds__(split_product::THREADS, 2)
    matmul_11_split(float* __restrict__ out, const float* __restrict__ a, const float* __restrict__ b, unsigned m,
                    unsigned k, unsigned n) {
    split_product::run(Output{out, m, n}, Matrix{a, m, k}, Matrix{b, k, n});
}
