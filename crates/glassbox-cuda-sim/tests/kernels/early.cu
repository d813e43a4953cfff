// Kernels that start before the one queued ahead of them has ended, which is `adds_one`. The line that a report has to name
// ends in a comment with the kernel's name.

extern "C" __global__ void adds_one(const float* in, float* out) { out[threadIdx.x] = in[threadIdx.x] + 1.0f; }

// What the kernel ahead does not touch may be read at once.
extern "C" __global__ void waits(const float* in, const float* factors, float* out) {
    float factor = factors[threadIdx.x];
    sim::wait_for_kernel_ahead();
    sim::let_kernel_behind_start();
    out[threadIdx.x] = factor * in[threadIdx.x];
}

extern "C" __global__ void reads_too_early(const float* in, const float* factors, float* out) {
    float x = in[threadIdx.x];  // reads_too_early
    sim::wait_for_kernel_ahead();
    out[threadIdx.x] = factors[threadIdx.x] * x;
}

// Threads that have waited hide nothing of one that has not.
extern "C" __global__ void one_thread_reads_too_early(const float* in, const float* factors, float* out) {
    if (threadIdx.x != 40) sim::wait_for_kernel_ahead();
    out[threadIdx.x] = in[threadIdx.x] + in[39];  // one_thread_reads_too_early
}

// The kernel ahead may still read it.
extern "C" __global__ void writes_too_early(float* in, float* first, float* out) {
    first[threadIdx.x] = 0.0f;  // writes_too_early
    sim::wait_for_kernel_ahead();
    out[threadIdx.x] = in[threadIdx.x];
}

// The kernel behind waits for this one alone.
extern "C" __global__ void never_waits(const float* in, const float* factors, float* out) {
    if (in != nullptr) out[threadIdx.x] = factors[threadIdx.x];
}

// The kernel behind relies on the one ahead of this one.
extern "C" __global__ void lets_start_too_early(const float* in, const float* factors, float* out) {
    sim::let_kernel_behind_start();  // lets_start_too_early
    sim::wait_for_kernel_ahead();
    out[threadIdx.x] = factors[threadIdx.x] * in[threadIdx.x];
}
