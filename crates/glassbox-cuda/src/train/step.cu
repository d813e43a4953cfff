// A training step, operation by operation: the parts that ops has not, because they depend on the step.
#include "row_loss.cuh"
#include "philox.cuh"
#include "state.cuh"

__device__ __forceinline__ float as_input(unsigned char pixel) { return float(pixel) / 255.0f; }
__device__ __forceinline__ float as_input(float number) { return number; }

// The batch of the step at hand: x (b,i) and the labels (b). `order` names the rows of all steps, `batch` a step.
template <class Input>
__device__ __forceinline__ void fetch_batch(float* __restrict__ x, unsigned* __restrict__ labels, const Input* __restrict__ all,
                                            const unsigned* __restrict__ all_labels, const unsigned* __restrict__ order,
                                            const State* __restrict__ state, unsigned batch, unsigned b, unsigned i) {
    const unsigned* rows = order + u64(state->step) * batch;
    u64 n = u64(b) * i;
    for (u64 e = first_element(); e < n; e += element_step()) x[e] = as_input(all[u64(rows[e / i]) * i + e % i]);
    for (u64 row = first_element(); row < b; row += element_step()) labels[row] = all_labels[rows[row]];
}

// From bytes, which are divided by 255.
extern "C" __global__ void step_inputs(float* __restrict__ x, unsigned* __restrict__ labels, const unsigned char* __restrict__ pixels,
                                       const unsigned* __restrict__ all_labels, const unsigned* __restrict__ order,
                                       const State* __restrict__ state, unsigned batch, unsigned b, unsigned i) {
    fetch_batch(x, labels, pixels, all_labels, order, state, batch, b, i);
}

// From numbers, which are taken as they are.
extern "C" __global__ void step_inputs_numbers(float* __restrict__ x, unsigned* __restrict__ labels,
                                               const float* __restrict__ numbers, const unsigned* __restrict__ all_labels,
                                               const unsigned* __restrict__ order, const State* __restrict__ state,
                                               unsigned batch, unsigned b, unsigned i) {
    fetch_batch(x, labels, numbers, all_labels, order, state, batch, b, i);
}

// out = x / (1 − p) where the stream of this step and layer keeps the element, 0 elsewhere; on dy it gives dx. Between the
// two the state has gone on to the next step.
extern "C" __global__ void step_dropout(float* __restrict__ out, const float* __restrict__ x, const State* __restrict__ state,
                                        unsigned is_backward, float p, unsigned k0, unsigned k1, unsigned layer,
                                        unsigned purpose, u64 n) {
    // The words of the counter are (layer, step of the run) for dropout, see glassbox/src/layers/dropout.rs.
    unsigned step = is_backward ? state->step_of_update : state->step;
    Stream stream = {k0, k1, layer, state->first_step + step, purpose};
    float scale = 1.0f / (1.0f - p);
    for (u64 e = first_element(); e < n; e += element_step()) out[e] = drop_out(stream, e, p, scale, x[e]);
}

// Of each row of logits (b,o): its loss, whether its answer is right, and dlogits (b,o) times `scale`.
extern "C" __global__ void step_loss(float* __restrict__ losses, unsigned* __restrict__ right, float* __restrict__ dlogits,
                                     const float* __restrict__ logits, const unsigned* __restrict__ labels, float scale, unsigned b,
                                     unsigned o) {
    for (unsigned row = blockIdx.x; row < b; row += gridDim.x)
        row_loss(losses[row], right[row], dlogits + u64(row) * o, logits + u64(row) * o, labels[row], scale, o);
}

// The end of the forward pass: what the step saw, and whether it may change anything. One warp: the losses are added in
// order.
extern "C" __global__ void step_outcome(Outcome* __restrict__ outcomes, State* __restrict__ state, const float* __restrict__ losses,
                                        const unsigned* __restrict__ right, unsigned is_mean, unsigned b) {
    Outcome outcome = batch_outcome(losses, right, is_mean, b);
    if (threadIdx.x > 0) return;
    unsigned step = state->step;
    outcomes[step] = outcome;
    if (!is_finite(outcome.loss)) state->stopped = 1;
    state->step_of_update = step;
    state->step = step + 1;
}

// What the step does with a gradient (n).
extern "C" __global__ void step_update(float* __restrict__ w, float* __restrict__ m, float* __restrict__ v,
                                       const float* __restrict__ g, const Rule* __restrict__ rules, const State* __restrict__ state,
                                       u64 n) {
    if (state->stopped) return;
    Rule rule = rules[state->step_of_update];
    for (u64 i = first_element(); i < n; i += element_step()) w[i] = changed(rule, w[i], m[i], v[i], g[i]);
}
