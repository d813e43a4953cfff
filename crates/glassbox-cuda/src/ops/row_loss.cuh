// The loss of a row and of a batch, as both ways of taking a step compute them.
#pragma once

#include "rows.cuh"
#include "state.cuh"

// Of the logits x (o) of an image: its loss, whether the answer is right, and the gradient times `scale`. The whole block
// takes part; its last thread, which has the least to do elsewhere, computes the loss.
__device__ __forceinline__ void row_loss(float& loss, unsigned& right, float* dx, const float* x, unsigned label, float scale,
                                         unsigned o) {
    float max = row_maximum(x, o);
    for (unsigned j = threadIdx.x; j < o; j += blockDim.x) dx[j] = math::exp(x[j] - max);
    float sum = row_sum(dx, o);
    if (threadIdx.x == blockDim.x - 1) {
        loss = math::ln(sum) - (x[label] - max);
        unsigned best = 0;
        bool is_ordered = true;
        for (unsigned j = 0; j < o; ++j) {
            if (x[best] < x[j]) best = j;
            is_ordered = is_ordered && x[j] == x[j];
        }
        right = is_ordered && best == label;
    }
    for (unsigned j = threadIdx.x; j < o; j += blockDim.x) {
        float p = dx[j] / sum;
        dx[j] = (j == label ? p - 1.0f : p) * scale;
    }
}

// The same of an image with at most 32 outputs, by a warp whose lanes have a logit x each: first the gradient, and what it
// rests on.
struct LaneLoss {
    float gradient, sum, max;
};
__device__ __forceinline__ LaneLoss lane_loss(float x, unsigned label, float scale, unsigned o) {
    unsigned lane = threadIdx.x % WARP;
    bool has_output = lane < o;
    float max = has_output && x == x ? x : -INFINITE;
#pragma unroll
    for (unsigned bits = WARP / 2; bits > 0; bits /= 2) {
        float other = __shfl_xor_sync(ALL, max, bits);
        max = max < other ? other : max;  // mutant: equal is equal
    }
    // Zeros behind the last output change no sum. So many at once that none has to wait for the one before to be asked for.
    float e = has_output ? math::exp(x - max) : 0.0f;
    LaneLoss seen = {0.0f, 0.0f, max};
    const unsigned AT_ONCE = 8;
#pragma unroll 1
    for (unsigned j = 0; j < o; j += AT_ONCE) {
#pragma unroll
        for (unsigned s = 0; s < AT_ONCE; ++s) seen.sum += __shfl_sync(ALL, e, j + s);
    }
    float p = e / seen.sum;
    if (has_output) seen.gradient = (lane == label ? p - 1.0f : p) * scale;
    return seen;
}

// Then the rest: the loss is ln(sum) − distance.
struct LaneAnswer {
    float distance;
    bool is_right;
};
__device__ __forceinline__ LaneAnswer lane_answer(float x, float max, unsigned label, unsigned o) {
    bool has_output = threadIdx.x % WARP < o;  // mutant: a lane behind the label says nothing new
    float distance = __shfl_sync(ALL, x, label) - max;
    unsigned none = __ballot_sync(ALL, has_output && x != x), best = __ballot_sync(ALL, has_output && x == max);
    return {distance, none == 0 && (best & (1u << label)) != 0 && (best & ((1u << label) - 1)) == 0};
}

// What a step saw: the losses of a batch in ascending order, and how many answers are right. A whole warp takes part: it
// reads 32 at once.
__device__ __forceinline__ Outcome batch_outcome(const float* losses, const unsigned* right,
                                                 unsigned is_mean, unsigned b) {
    unsigned lane = threadIdx.x % WARP;
    Outcome outcome = {0.0f, 0};
#pragma unroll 1
    for (unsigned row = 0; row < b; row += WARP) {  // mutant: more zeros change no sum
        float x = row + lane < b ? losses[row + lane] : 0.0f;
        bool is_right = row + lane < b && right[row + lane];
        outcome.correct += __popc(__ballot_sync(ALL, is_right));
        // Zeros behind the last loss change no sum.
#pragma unroll
        for (unsigned s = 0; s < WARP; ++s) outcome.loss += __shfl_sync(ALL, x, s);
    }
    if (is_mean) outcome.loss = outcome.loss / float(b);
    return outcome;
}
