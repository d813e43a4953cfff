// The first kernel of a training step, see fused_images.cuh.
#include "fused_images.cuh"

// Parameters stand in the order in which they are needed, since they are fetched 64 bytes at a time.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    fused_images(const unsigned* __restrict__ order, unsigned batch, unsigned turn, State* state,
                 const unsigned char* __restrict__ pixels, const unsigned* __restrict__ labels, const float* w1, unsigned i,
                 unsigned h, const float* b1, const float* w2, const float* b2, unsigned o, unsigned kind, float slope, float scale,
                 float* hidden, float* dlogits, float* dhidden, float* losses, unsigned* right) {
    unsigned step = state->steps[turn];
    take_image<false>({pixels, order + u64(step) * batch}, labels, step, turn, {w1, i, h}, b1, {w2, h, o}, b2, hidden, dlogits, dhidden,
                      losses, right, state, scale, kind, slope);
}
