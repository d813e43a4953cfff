// A pointer that runs past the end of the only shared array of its file.

extern "C" __global__ void beyond_shared(float* out) {
    __shared__ float all[32];
    float* place = all;
    place[threadIdx.x + 1] = 1.0f;  // beyond_shared
    out[threadIdx.x] = 1.0f;
}
