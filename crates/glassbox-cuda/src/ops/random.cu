// Random fills and dropout: what Philox numbers become.
#include "philox.cuh"

// out = uniform in [−limit, limit). 2u − 1 is exact: u is a multiple of 2⁻²⁴ below 1.
extern "C" __global__ void fill_uniform(float* __restrict__ out, float limit, unsigned k0, unsigned k1, unsigned step, unsigned epoch,
                                        unsigned purpose, u64 n) {
    Stream stream = {k0, k1, step, epoch, purpose};
    for (u64 i = first_element(); i < n; i += element_step()) out[i] = (2.0f * uniform(stream, i) - 1.0f) * limit;
}

// out = x / (1 − p) where the stream's number for the element is at least p, 0 elsewhere. On dy it gives dx: the mask
// is not stored, the counter gives it again.
extern "C" __global__ void dropout(float* __restrict__ out, const float* __restrict__ x, float p, unsigned k0, unsigned k1,
                                   unsigned step, unsigned epoch, unsigned purpose, u64 n) {
    Stream stream = {k0, k1, step, epoch, purpose};
    float scale = 1.0f / (1.0f - p);
    for (u64 i = first_element(); i < n; i += element_step()) out[i] = drop_out(stream, i, p, scale, x[i]);
}
