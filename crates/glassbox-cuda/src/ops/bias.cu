// The bias of a dense layer: one number added to each column.
#include "common.cuh"

// x (b,o) += bias (o)
extern "C" __global__ void add_bias(float* __restrict__ x, const float* __restrict__ bias, unsigned b, unsigned o) {
    u64 n = u64(b) * o;
    for (u64 i = first_element(); i < n; i += element_step()) x[i] = x[i] + bias[i % o];
}

// dbias (o) = the column sums of dx (b,o), rows in ascending order: a thread a column, so that neighbours read neighbours.
extern "C" __global__ void add_bias_backward(float* __restrict__ dbias, const float* __restrict__ dx, unsigned b, unsigned o) {
    for (u64 j = first_element(); j < o; j += element_step()) {
        float sum = 0.0f;
        for (unsigned row = 0; row < b; ++row) sum += dx[u64(row) * o + j];
        dbias[j] = sum;
    }
}
