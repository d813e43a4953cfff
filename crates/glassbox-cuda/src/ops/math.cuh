// exp, ln, tanh and sigmoid, step by step those of glassbox-cpu/src/reference/math.rs, where each constant and each
// step is explained. Only operations that IEEE 754 rounds correctly occur, so the bits are the CPU's.
#pragma once

#include "common.cuh"

namespace math {

constexpr float LOG2_E = 1.44269504f;
constexpr float LN_2 = 0.693147182f;
constexpr float LN_2_LOW = -1.9046542e-9f;
constexpr float ROUND = 12582912.0f;
constexpr unsigned ROUND_BITS = 0x4b400000u;
constexpr float EXP_MIN = -104.0f;
constexpr float EXP_MAX = 89.0f;
constexpr float TANH_MAX = 9.02f;
constexpr unsigned TWO_THIRDS_BITS = 0x3f2aaaabu;
constexpr unsigned EXPONENT = 0xff800000u;
constexpr float TWO_23 = 8388608.0f;
constexpr float SMALLEST_NORMAL = 1.17549435e-38f;

// eˣ = s0 · s1 · (1 + q + q_low)
struct Power {
    float q, q_low, s0, s1;
};

__device__ __forceinline__ Power power(float x) {
    float t = fmaf(x, LOG2_E, ROUND);
    float n = t - ROUND;
    float near = fmaf(n, -LN_2, x);
    float r = fmaf(n, -LN_2_LOW, near);
    float r_low = fmaf(n, -LN_2_LOW, near - r);
    float p = 0.00019763428f;
    p = fmaf(p, r, 0.001393234f);
    p = fmaf(p, r, 0.008333544f);
    p = fmaf(p, r, 0.041666493f);
    p = fmaf(p, r, 0.16666666f);
    p = fmaf(p, r, 0.5f);
    float tail = fmaf(r * r, p, r_low);
    Power result;
    result.q = r + tail;
    result.q_low = (r - result.q) + tail;
    unsigned exponents = __float_as_uint(t) - (ROUND_BITS - 254u);
    unsigned half = exponents >> 1;
    result.s0 = __uint_as_float(half << 23);
    result.s1 = __uint_as_float((exponents - half) << 23);
    return result;
}

// (h + h_low) / (u + v + v_low), nearly as if rounded once
__device__ __forceinline__ float quotient(float h, float h_low, float u, float v, float v_low) {
    float c = 1.0f / (u + v);
    float rest = fmaf(-c, v_low, fmaf(-c, v, fmaf(-c, u, 1.0f)));
    float c_low = c * rest;
    return fmaf(h, c, fmaf(h, c_low, h_low * c));
}

__device__ __forceinline__ float exp(float x) {
    x = x < EXP_MIN ? EXP_MIN : x;  // mutant: equal numbers change nothing
    x = EXP_MAX < x ? EXP_MAX : x;
    Power e = power(x);
    return (1.0f + e.q) * e.s0 * e.s1;
}

__device__ __forceinline__ float ln(float x) {
    bool tiny = x < SMALLEST_NORMAL;  // mutant: at the bound both ways are exact
    float y = tiny ? x * TWO_23 : x;
    unsigned shift = (__float_as_uint(y) - TWO_THIRDS_BITS) & EXPONENT;
    float e = fmaf(float(int(shift)), 1.0f / TWO_23, tiny ? -23.0f : 0.0f);
    float f = __uint_as_float(__float_as_uint(y) - shift) - 1.0f;
    float p = -0.12880042f;
    p = fmaf(p, f, 0.13984594f);
    p = fmaf(p, f, -0.121874794f);
    p = fmaf(p, f, 0.14005734f);
    p = fmaf(p, f, -0.16680196f);
    p = fmaf(p, f, 0.20010427f);
    p = fmaf(p, f, -0.24999806f);
    p = fmaf(p, f, 0.33333215f);
    p = fmaf(p, f, -0.5f);
    float tail = fmaf(f * f, p, e * LN_2_LOW);
    float result = fmaf(e, LN_2, f + tail);
    if (0.0f < x) return x < INFINITE ? result : x;  // mutant: sums of exponentials are finite
    return x == 0.0f ? -INFINITE : __uint_as_float(0x7fc00000u);  // mutant: and at least 1
}

__device__ __forceinline__ float tanh(float x) {
    float magnitude = fabsf(x);
    magnitude = TANH_MAX < magnitude ? TANH_MAX : magnitude;
    Power e = power(-2.0f * magnitude);
    float s = e.s0 * e.s1;
    float less = s - 1.0f;
    float less_low = s - (less + 1.0f);
    float m = fmaf(s, e.q, less);
    float m_low = fmaf(s, e.q_low, fmaf(s, e.q, less - m) + less_low);
    return copysignf(quotient(m, m_low, 2.0f, m, m_low), x);
}

__device__ __forceinline__ float sigmoid(float x) {
    float a = -fabsf(x);
    a = a < EXP_MIN ? EXP_MIN : a;  // mutant: equal numbers change nothing
    Power p = power(a);
    float e = 1.0f + p.q;
    float e_low = ((1.0f - e) + p.q) + p.q_low;
    e_low = e_low * p.s0 * p.s1;
    e = e * p.s0 * p.s1;
    return x < 0.0f ? quotient(e, e_low, 1.0f, e, e_low) : quotient(1.0f, 0.0f, 1.0f, e, e_low);
}

}  // namespace math
