// Activation functions, each with its derivative beside it, as in glassbox-cpu/src/reference/activation.rs.
#pragma once

#include "math.cuh"

// Which activation function: the numbers that the launcher passes.
enum Activation : unsigned { NONE, RELU, LEAKY_RELU, SIGMOID, TANH, GELU };

// √(2/π) · (1 + 0.044715 x²) · x, of the tanh form of gelu.
constexpr float GELU_SCALE = 0.7978845608028654;
constexpr float GELU_CUBIC = 0.044715 * 0.7978845608028654;
constexpr float GELU_CUBIC_3 = 3.0 * 0.044715 * 0.7978845608028654;

__device__ __forceinline__ float gelu_tanh(float x) {
    float cubic = fmaf(GELU_CUBIC, x * x, GELU_SCALE);
    return math::tanh(x * cubic);
}

// The most frequent ones come before the switch, whose table of jumps has to be fetched from memory.
__device__ __forceinline__ float activate(unsigned kind, float slope, float x) {
    if (kind <= RELU) return kind == RELU && x < 0.0f ? 0.0f : x;
    switch (kind) {
        case LEAKY_RELU: return 0.0f < x ? x : slope * x;
        case SIGMOID: return math::sigmoid(x);
        case TANH: return math::tanh(x);
        case GELU: {
            float half_x = 0.5f * x;
            return fmaf(half_x, gelu_tanh(x), half_x);
        }
        default: return x;
    }
}

// dy · f′(x), where y = f(x)
__device__ __forceinline__ float activate_backward(unsigned kind, float slope, float dy, float x, float y) {
    if (kind <= RELU) return kind == NONE || 0.0f < x ? dy : 0.0f;
    switch (kind) {
        case LEAKY_RELU: return 0.0f < x ? dy : slope * dy;
        case SIGMOID: return dy * (y * (1.0f - y));
        case TANH: return dy * fmaf(-y, y, 1.0f);
        case GELU: {
            float t = gelu_tanh(x);
            float du = fmaf(GELU_CUBIC_3, x * x, GELU_SCALE);
            float rise = (fmaf(-t, t, 1.0f) * (0.5f * x)) * du;
            return dy * (fmaf(0.5f, t, 0.5f) + rise);
        }
        default: return dy;
    }
}
