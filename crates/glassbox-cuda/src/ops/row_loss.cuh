// The loss of a row and of a batch, as both ways of taking a step compute them.
#pragma once

#include "rows.cuh"
#include "state.cuh"

// Of one row of logits: its loss, whether the answer is right, and its gradient times `scale`. The whole block takes part.
__device__ __forceinline__ void row_loss(float* losses, unsigned* right, float* dlogits, const float* logits, unsigned label,
                                         float scale, unsigned row, unsigned o) {
    const float* x = logits + u64(row) * o;
    float* to = dlogits + u64(row) * o;
    float max = row_maximum(x, o);
    for (unsigned j = threadIdx.x; j < o; j += blockDim.x) to[j] = math::exp(x[j] - max);
    float sum = row_sum(to, o);
    if (threadIdx.x == 0) {
        losses[row] = math::ln(sum) - (x[label] - max);
        unsigned best = 0;
        bool is_ordered = true;
        for (unsigned j = 0; j < o; ++j) {
            if (x[best] < x[j]) best = j;
            is_ordered = is_ordered && x[j] == x[j];
        }
        right[row] = is_ordered && best == label;
    }
    for (unsigned j = threadIdx.x; j < o; j += blockDim.x) {
        float p = to[j] / sum;
        to[j] = (j == label ? p - 1.0f : p) * scale;
    }
    __syncthreads();
}

// The losses of a batch in ascending order, and how many answers are right.
__device__ __forceinline__ Outcome sum_up(const float* losses, const unsigned* right, unsigned is_mean, unsigned b) {
    Outcome outcome = {0.0f, 0};
    for (unsigned row = 0; row < b; ++row) {
        outcome.loss += losses[row];
        outcome.correct += right[row];
    }
    if (is_mean) outcome.loss = outcome.loss / float(b);
    return outcome;
}
