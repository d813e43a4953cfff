// Between data and numbers: pixels become inputs, outputs become decisions.
#include "common.cuh"

// out (b,i) = the rows `order` (b) of pixels (n,i), divided by 255
extern "C" __global__ void gather(float* __restrict__ out, const unsigned char* __restrict__ pixels,
                                  const unsigned* __restrict__ order, unsigned b, unsigned i) {
    u64 n = u64(b) * i;
    for (u64 e = first_element(); e < n; e += element_step())
        out[e] = float(pixels[u64(order[e / i]) * i + e % i]) / 255.0f;
}

// out (b) = the rows `order` (b) of labels
extern "C" __global__ void gather_labels(unsigned* __restrict__ out, const unsigned* __restrict__ labels,
                                         const unsigned* __restrict__ order, unsigned b) {
    for (u64 row = first_element(); row < b; row += element_step()) out[row] = labels[order[row]];
}

// out (b,o) = 1 in the column of each row's label, 0 elsewhere
extern "C" __global__ void one_hot(float* __restrict__ out, const unsigned* __restrict__ labels, unsigned b, unsigned o) {
    u64 n = u64(b) * o;
    for (u64 e = first_element(); e < n; e += element_step()) out[e] = labels[e / o] == e % o ? 1.0f : 0.0f;
}

// out (b) = the column of the largest element of each row of x (b,o), the first if there are several; UINT_MAX if the
// row holds a NaN. A thread a row.
extern "C" __global__ void argmax(unsigned* __restrict__ out, const float* __restrict__ x, unsigned b, unsigned o) {
    for (u64 row = first_element(); row < b; row += element_step()) {
        const float* from = x + row * o;
        unsigned best = 0;
        bool is_ordered = true;
        for (unsigned j = 0; j < o; ++j) {
            if (from[best] < from[j]) best = j;
            is_ordered = is_ordered && from[j] == from[j];
        }
        out[row] = is_ordered ? best : 0xffffffffu;
    }
}

// out (1) += how many answers (b) are the labels. Whole numbers: their sum does not depend on the order.
extern "C" __global__ void count_equal(unsigned* __restrict__ out, const unsigned* __restrict__ answers,
                                       const unsigned* __restrict__ labels, unsigned b) {
    unsigned count = 0;
    for (u64 row = first_element(); row < b; row += element_step()) count += answers[row] == labels[row];
    if (count > 0) atomicAdd(out, count);
}
