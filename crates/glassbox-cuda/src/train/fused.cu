// A training step of a network with one hidden layer in three kernels, with the bits of the same step operation by
// operation: the hidden layer; the outputs, the loss and the gradient of the hidden layer; all gradients of weights,
// which change the weights while they are in registers.
//
// Between them lies what every block has to wait for. The weights of a layer are read by one kernel and changed by the
// next but one, so nothing is read while it changes.
#include "row_loss.cuh"

// Inputs that are looked at in one go.
constexpr unsigned SEGMENT = 1024;

// A byte divided by 255, rounded as the division rounds it: true for all 256: glassbox-cpu/src/fast/vector/bytes.rs
// tests the same formula.
__device__ __forceinline__ float scaled(unsigned char pixel) {
    const float INVERSE = 1.0f / 255.0f, INVERSE_LOW = float(1.0 / 255.0 - double(INVERSE));
    float x = float(pixel);
    return fmaf(x, INVERSE, x * INVERSE_LOW);
}

// The definition of a sum over an image's pixels, for the element whose sum is not finite. Pixels always are.
__device__ __noinline__ float pixel_chain(const unsigned char* pixels, const float* w, unsigned step, unsigned terms) {
    float acc = 0.0f;
    for (unsigned p = 0; p < terms; ++p) {
        float x = scaled(pixels[p]);
        if (x != 0.0f) acc = fmaf(x, w[u64(p) * step], acc);
    }
    return acc;
}

// hidden (b,h) = f(before), before (b,h) = images·w1 + b1. A block an image, a thread a unit; most pixels are zero and
// only the others are multiplied. Their list is made by the whole block: of each warp's 32 pixels a vote tells which are
// not zero, and how many come before a thread's own.
//
// A chain may end as −0 here and in the next kernel: the sign of a zero among activations and their gradients is seen by
// nobody, since terms with a factor of zero are left out of every sum that follows.
extern "C" __global__ void fused_hidden(float* __restrict__ before, float* __restrict__ hidden, const unsigned char* __restrict__ pixels,
                                        const unsigned* __restrict__ order, const float* __restrict__ w1, const float* __restrict__ b1,
                                        const State* __restrict__ state, unsigned kind, float slope, unsigned batch, unsigned b,
                                        unsigned i, unsigned h) {
    __shared__ unsigned places[SEGMENT];
    __shared__ float values[SEGMENT];
    __shared__ unsigned counts[33];
    unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    unsigned row = blockIdx.x;
    const unsigned char* image = pixels + u64(order[u64(state->step) * batch + row]) * i;
    for (unsigned j0 = 0; j0 < h; j0 += blockDim.x) {  // mutant: no thread has a unit beyond h
        unsigned j = j0 + threadIdx.x;
        float acc = 0.0f;
        for (unsigned p0 = 0; p0 < i; p0 += SEGMENT) {  // mutant: no pixel is beyond i
            unsigned end = p0 + SEGMENT < i ? p0 + SEGMENT : i, found = 0;  // mutant: equal is equal
            for (unsigned p = p0; p < end; p += blockDim.x) {  // mutant: no pixel is beyond end
                unsigned place = p + threadIdx.x;
                float x = place < end ? scaled(image[place]) : 0.0f;
                unsigned votes = __ballot_sync(0xffffffffu, x != 0.0f);
                if (lane == 0) counts[warp] = __popc(votes);
                __syncthreads();
                unsigned at = found + __popc(votes & ((1u << lane) - 1));
                for (unsigned w = 0; w < warps; ++w) {
                    at += w < warp ? counts[w] : 0;
                    found += counts[w];
                }
                if (x != 0.0f) {
                    places[at] = place;
                    values[at] = x;
                }
                __syncthreads();
            }
            if (j < h) {
#pragma unroll 8
                for (unsigned e = 0; e < found; ++e) acc = fmaf(values[e], w1[u64(places[e]) * h + j], acc);
            }
        }
        if (j < h) {
            if (!is_finite(acc)) acc = pixel_chain(image, w1 + j, h, i);
            float x = acc + b1[j];
            before[u64(row) * h + j] = x;
            hidden[u64(row) * h + j] = activate(kind, slope, x);
        }
    }
}

// logits (b,o) = hidden·w2 + b2; losses and answers (b); dlogits (b,o); dhidden (b,h) = dlogits·w2ᵀ times f′. A block an
// image.
extern "C" __global__ void fused_outputs(float* __restrict__ logits, float* __restrict__ dlogits, float* __restrict__ dhidden,
                                         float* __restrict__ losses, unsigned* __restrict__ right, const float* __restrict__ before,
                                         const float* __restrict__ hidden, const unsigned* __restrict__ labels,
                                         const unsigned* __restrict__ order, const float* __restrict__ w2,
                                         const float* __restrict__ b2, State* __restrict__ state, float scale, unsigned kind,
                                         float slope, unsigned batch, unsigned b, unsigned h, unsigned o) {
    unsigned row = blockIdx.x, step = state->step;
    if (row == 0 && threadIdx.x == 0) {
        state->step_of_update = step;
        state->stopped = state->stops;
    }
    const float* from = hidden + u64(row) * h;
    for (unsigned j = threadIdx.x; j < o; j += blockDim.x) {
        float acc = 0.0f;
#pragma unroll 8
        for (unsigned p = 0; p < h; ++p) acc = fmaf(from[p], w2[u64(p) * o + j], acc);
        if (!is_finite(acc)) acc = chain(from, 1, w2 + j, o, h);
        logits[u64(row) * o + j] = acc + b2[j];
    }
    row_loss(losses, right, dlogits, logits, labels[order[u64(step) * batch + row]], scale, row, o);
    const float* d = dlogits + u64(row) * o;
    for (unsigned p = threadIdx.x; p < h; p += blockDim.x) {
        float acc = 0.0f;
        for (unsigned j = 0; j < o; ++j) acc = fmaf(d[j], w2[u64(p) * o + j], acc);
        if (!is_finite(acc)) acc = chain(d, 1, w2 + u64(p) * o, 1, o);
        u64 at = u64(row) * h + p;
        dhidden[at] = activate_backward(kind, slope, acc, before[at], hidden[at]);
    }
}

// Gradients and updates of all weights, an element a thread, in grid-stride loops: first w1 (i,h) and b1 (h), then w2
// (h,o) and b2 (o). Every block adds up the losses for itself, which takes less time than to wait for one that does.
extern "C" __global__ void fused_update(float* __restrict__ w1, float* __restrict__ m_w1, float* __restrict__ v_w1,
                                        float* __restrict__ b1, float* __restrict__ m_b1, float* __restrict__ v_b1,
                                        float* __restrict__ w2, float* __restrict__ m_w2, float* __restrict__ v_w2,
                                        float* __restrict__ b2, float* __restrict__ m_b2, float* __restrict__ v_b2,
                                        const unsigned char* __restrict__ pixels, const unsigned* __restrict__ order,
                                        const float* __restrict__ hidden, const float* __restrict__ dhidden,
                                        const float* __restrict__ dlogits, const float* __restrict__ losses,
                                        const unsigned* __restrict__ right, const Rule* __restrict__ rules, State* __restrict__ state,
                                        Outcome* __restrict__ outcomes, unsigned is_mean, unsigned batch, unsigned b, unsigned i,
                                        unsigned h, unsigned o) {
    __shared__ Outcome outcome;
    unsigned step = state->step_of_update;
    if (threadIdx.x == 0) outcome = sum_up(losses, right, is_mean, b);
    __syncthreads();
    bool stops = state->stopped || !is_finite(outcome.loss);
    if (first_element() == 0) {
        outcomes[step] = outcome;
        state->stops = stops;
        state->step = step + 1;
    }
    if (stops) return;
    Rule rule = rules[step];
    const unsigned* rows = order + u64(step) * batch;
    u64 all = u64(i) * h;
    for (u64 e = first_element(); e < all; e += element_step()) {
        unsigned pixel = unsigned(e / h), unit = unsigned(e % h);
        float acc = 0.0f;
#pragma unroll 8
        for (unsigned row = 0; row < b; ++row)
            acc = fmaf(scaled(pixels[u64(rows[row]) * i + pixel]), dhidden[u64(row) * h + unit], acc);
        acc = end_of_chain(acc);
        if (!is_finite(acc)) {
            acc = 0.0f;
            for (unsigned row = 0; row < b; ++row) {
                float x = scaled(pixels[u64(rows[row]) * i + pixel]);
                if (x != 0.0f) acc = fmaf(x, dhidden[u64(row) * h + unit], acc);
            }
            acc = end_of_chain(acc);
        }
        change(rule, w1, m_w1, v_w1, e, acc);
    }
    all = u64(h) * o;
    for (u64 e = first_element(); e < all; e += element_step()) {
        unsigned unit = unsigned(e / o), j = unsigned(e % o);
        float acc = 0.0f;
#pragma unroll 8
        for (unsigned row = 0; row < b; ++row) acc = fmaf(hidden[u64(row) * h + unit], dlogits[u64(row) * o + j], acc);
        acc = end_of_chain(acc);
        if (!is_finite(acc)) acc = chain(hidden + unit, h, dlogits + j, o, b);
        change(rule, w2, m_w2, v_w2, e, acc);
    }
    for (u64 unit = first_element(); unit < h; unit += element_step()) {
        float sum = 0.0f;
        for (unsigned row = 0; row < b; ++row) sum += dhidden[u64(row) * h + unit];
        change(rule, b1, m_b1, v_b1, unit, sum);
    }
    for (u64 j = first_element(); j < o; j += element_step()) {
        float sum = 0.0f;
        for (unsigned row = 0; row < b; ++row) sum += dlogits[u64(row) * o + j];
        change(rule, b2, m_b2, v_b2, j, sum);
    }
}
