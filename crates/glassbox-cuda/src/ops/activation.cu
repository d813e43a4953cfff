// Activation functions, element by element. Out of place: the backward pass needs the input or the output.
#include "activation.cuh"

extern "C" __global__ void activation(float* __restrict__ out, const float* __restrict__ x, unsigned kind, float slope, u64 n) {
    for (u64 i = first_element(); i < n; i += element_step()) out[i] = activate(kind, slope, x[i]);
}

// dx = dy · f′(x), where y = f(x)
extern "C" __global__ void activation_backward(float* __restrict__ dx, const float* __restrict__ dy, const float* __restrict__ x,
                                               const float* __restrict__ y, unsigned kind, float slope, u64 n) {
    for (u64 i = first_element(); i < n; i += element_step()) dx[i] = activate_backward(kind, slope, dy[i], x[i], y[i]);
}
