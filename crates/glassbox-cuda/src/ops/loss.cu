// Losses: softmax with cross-entropy, and mean squared error; forward and backward.
#include "rows.cuh"

// losses (b) = −ln softmax(logits)[label] of each row of logits (b,o). `room` (b,o) holds the exponentials meanwhile.
extern "C" __global__ void cross_entropy(float* __restrict__ losses, float* __restrict__ room, const float* __restrict__ logits,
                                         const unsigned* __restrict__ labels, unsigned b, unsigned o) {
    for (unsigned row = blockIdx.x; row < b; row += gridDim.x) {
        const float* x = logits + u64(row) * o;
        float* to = room + u64(row) * o;
        float max = row_maximum(x, o);
        for (unsigned j = threadIdx.x; j < o; j += blockDim.x) to[j] = math::exp(x[j] - max);
        float ln_sum = math::ln(row_sum(to, o));
        if (threadIdx.x == 0) losses[row] = ln_sum - (x[labels[row]] - max);
    }
}

// dlogits (b,o) = (softmax(logits) − one-hot(labels)) · scale
extern "C" __global__ void cross_entropy_backward(float* __restrict__ dlogits, const float* __restrict__ logits,
                                                  const unsigned* __restrict__ labels, float scale, unsigned b, unsigned o) {
    for (unsigned row = blockIdx.x; row < b; row += gridDim.x) {
        const float* x = logits + u64(row) * o;
        float* to = dlogits + u64(row) * o;
        float max = row_maximum(x, o);
        for (unsigned j = threadIdx.x; j < o; j += blockDim.x) to[j] = math::exp(x[j] - max);
        float sum = row_sum(to, o);
        unsigned label = labels[row];
        for (unsigned j = threadIdx.x; j < o; j += blockDim.x) {
            float p = to[j] / sum;
            to[j] = (j == label ? p - 1.0f : p) * scale;
        }
    }
}

// out (1) = Σ x in ascending order: one chain, one thread.
extern "C" __global__ void sum_in_order(float* __restrict__ out, const float* __restrict__ x, u64 n) {
    if (first_element() > 0) return;
    float sum = 0.0f;
    for (u64 i = 0; i < n; ++i) sum += x[i];
    out[0] = sum;
}

// out (1) = Σ (y − t)² in ascending order: one chain, one thread.
extern "C" __global__ void mean_squared_error(float* __restrict__ out, const float* __restrict__ y, const float* __restrict__ t,
                                              u64 n) {
    if (first_element() > 0) return;
    float sum = 0.0f;
    for (u64 i = 0; i < n; ++i) sum = fmaf(y[i] - t[i], y[i] - t[i], sum);
    out[0] = sum;
}

// dy = (y − t) · scale
extern "C" __global__ void mean_squared_error_backward(float* __restrict__ dy, const float* __restrict__ y,
                                                       const float* __restrict__ t, float scale, u64 n) {
    for (u64 i = first_element(); i < n; i += element_step()) dy[i] = (y[i] - t[i]) * scale;
}
