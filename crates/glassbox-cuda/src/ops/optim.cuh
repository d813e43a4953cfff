// One step of each optimizer for one weight, as in glassbox-cpu/src/reference/optim.rs.
#pragma once

#include "common.cuh"

__device__ __forceinline__ float sgd_step(float w, float g, float lr) { return fmaf(-lr, g, w); }

// v = μ v + g;  w −= lr · v
__device__ __forceinline__ float momentum_step(float w, float& v, float g, float lr, float mu) {
    v = fmaf(mu, v, g);
    return fmaf(-lr, v, w);
}

// v = μ v + g;  w −= lr · (g + μ v)
__device__ __forceinline__ float nesterov_step(float w, float& v, float g, float lr, float mu) {
    v = fmaf(mu, v, g);
    return fmaf(-lr, fmaf(mu, v, g), w);
}

// The numbers of one step of Adam or AdamW.
struct AdamStep {
    float beta1, beta2, epsilon, step_size, sqrt_correction, keep;
};

// m = β₁ m + (1 − β₁) g;  v = β₂ v + (1 − β₂) g²;  w = keep · w − step · m / (√v / √(1 − β₂ᵗ) + ε)
__device__ __forceinline__ float adam_step(float w, float& m, float& v, float g, AdamStep s) {
    m = fmaf(s.beta1, m, (1.0f - s.beta1) * g);
    v = fmaf(s.beta2, v, (1.0f - s.beta2) * (g * g));
    float denominator = sqrtf(v) / s.sqrt_correction + s.epsilon;
    return fmaf(-s.step_size, m / denominator, s.keep * w);
}
