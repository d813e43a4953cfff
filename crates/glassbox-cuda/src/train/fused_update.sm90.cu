// The second kernel of a training step, see fused_update.cuh, where the chip lets it start before the first has ended: by the
// time that gradients are there, the weights and the pixels that are not zero are in place.
#include "fused_update.cuh"

extern "C" __global__ void __launch_bounds__(UPDATE_THREADS, 1)
    fused_update_early(const unsigned* __restrict__ order, unsigned batch, unsigned turn, State* state, const unsigned char* __restrict__ pixels,
                       unsigned b, unsigned i, unsigned h, unsigned o, float* w1, const Rule* __restrict__ rules,
                       const float* dhidden, const float* losses, const unsigned* right, unsigned is_mean, float* m_w1, float* v_w1,
                       float* w2, float* m_w2, float* v_w2, const float* hidden, const float* dlogits, float* b1, float* m_b1, float* v_b1,
                       float* b2, float* m_b2, float* v_b2, Outcome* outcomes) {
    unsigned step = state->steps[turn];
    update<true>({pixels, order + u64(step) * batch}, rules, step, turn, state, b, i, h, o, {{w1, m_w1, v_w1}, {b1, m_b1, v_b1}},
           {{w2, m_w2, v_w2}, {b2, m_b2, v_b2}}, dhidden, losses, right, is_mean, hidden, dlogits, outcomes);
}
