// Softmax and log-softmax over the rows of a matrix, a block a row (or several rows in turn). The largest element is
// subtracted first, so that no exponential overflows.
#include "rows.cuh"

// out (b,o) = e^x / Σ e^x in each row
extern "C" __global__ void softmax(float* __restrict__ out, const float* __restrict__ x, unsigned b, unsigned o) {
    for (unsigned row = blockIdx.x; row < b; row += gridDim.x) {
        const float* from = x + u64(row) * o;
        float* to = out + u64(row) * o;
        float max = row_maximum(from, o);
        for (unsigned j = threadIdx.x; j < o; j += blockDim.x) to[j] = math::exp(from[j] - max);
        float sum = row_sum(to, o);
        for (unsigned j = threadIdx.x; j < o; j += blockDim.x) to[j] = to[j] / sum;
    }
}

// dx = y · (dy − Σ dy·y) in each row
extern "C" __global__ void softmax_backward(float* __restrict__ dx, const float* __restrict__ dy, const float* __restrict__ y,
                                            unsigned b, unsigned o) {
    __shared__ float shared_dot;
    for (unsigned row = blockIdx.x; row < b; row += gridDim.x) {
        u64 start = u64(row) * o;
        if (threadIdx.x == 0) {
            float dot = 0.0f;
            for (unsigned j = 0; j < o; ++j) dot = fmaf(dy[start + j], y[start + j], dot);
            shared_dot = dot;
        }
        __syncthreads();
        float dot = shared_dot;
        for (unsigned j = threadIdx.x; j < o; j += blockDim.x) dx[start + j] = y[start + j] * (dy[start + j] - dot);
        __syncthreads();
    }
}

// out (b,o) = x − max − ln Σ e^(x − max) in each row. The exponentials wait in `out` to be added.
extern "C" __global__ void log_softmax(float* __restrict__ out, const float* __restrict__ x, unsigned b, unsigned o) {
    for (unsigned row = blockIdx.x; row < b; row += gridDim.x) {
        const float* from = x + u64(row) * o;
        float* to = out + u64(row) * o;
        float max = row_maximum(from, o);
        for (unsigned j = threadIdx.x; j < o; j += blockDim.x) to[j] = math::exp(from[j] - max);
        float ln_sum = math::ln(row_sum(to, o));
        for (unsigned j = threadIdx.x; j < o; j += blockDim.x) to[j] = (from[j] - max) - ln_sum;
    }
}

// dx = dy − e^y · Σ dy in each row
extern "C" __global__ void log_softmax_backward(float* __restrict__ dx, const float* __restrict__ dy,
                                                const float* __restrict__ y, unsigned b, unsigned o) {
    for (unsigned row = blockIdx.x; row < b; row += gridDim.x) {
        u64 start = u64(row) * o;
        float sum = row_sum(dy + start, o);
        for (unsigned j = threadIdx.x; j < o; j += blockDim.x)
            dx[start + j] = fmaf(-math::exp(y[start + j]), sum, dy[start + j]);
    }
}
