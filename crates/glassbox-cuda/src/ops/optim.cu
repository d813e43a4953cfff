// Optimizers, in order of increasing complexity. Each makes one step on n weights.
#include "optim.cuh"

extern "C" __global__ void sgd(float* __restrict__ w, const float* __restrict__ g, float lr, u64 n) {
    for (u64 i = first_element(); i < n; i += element_step()) w[i] = sgd_step(w[i], g[i], lr);
}

extern "C" __global__ void momentum(float* __restrict__ w, float* __restrict__ v, const float* __restrict__ g, float lr, float mu,
                                    u64 n) {
    for (u64 i = first_element(); i < n; i += element_step()) w[i] = momentum_step(w[i], v[i], g[i], lr, mu);
}

extern "C" __global__ void nesterov(float* __restrict__ w, float* __restrict__ v, const float* __restrict__ g, float lr, float mu,
                                    u64 n) {
    for (u64 i = first_element(); i < n; i += element_step()) w[i] = nesterov_step(w[i], v[i], g[i], lr, mu);
}

extern "C" __global__ void adam(float* __restrict__ w, float* __restrict__ m, float* __restrict__ v, const float* __restrict__ g,
                                float beta1, float beta2, float epsilon, float step_size, float sqrt_correction, float keep, u64 n) {
    AdamStep step = {beta1, beta2, epsilon, step_size, sqrt_correction, keep};
    for (u64 i = first_element(); i < n; i += element_step()) w[i] = adam_step(w[i], m[i], v[i], g[i], step);
}
