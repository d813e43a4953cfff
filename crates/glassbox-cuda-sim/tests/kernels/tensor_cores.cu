// One tile by each of the instructions for matrices.

// Registers in, registers out: each lane's values lie one after another.
#define ONE_MMA(mma)                                                        \
    unsigned a_held[4], b_held[2];                                          \
    float d_held[4];                                                        \
    for (unsigned i = 0; i < 4; ++i) a_held[i] = a[4 * threadIdx.x + i];    \
    for (unsigned i = 0; i < 2; ++i) b_held[i] = b[2 * threadIdx.x + i];    \
    for (unsigned i = 0; i < 4; ++i) d_held[i] = d[4 * threadIdx.x + i];    \
    mma(d_held, a_held, b_held);                                            \
    for (unsigned i = 0; i < 4; ++i) d[4 * threadIdx.x + i] = d_held[i];

extern "C" __global__ void one_mma_bf16(const unsigned* a, const unsigned* b, float* d) {
    ONE_MMA(sim::mma_bf16_16x8x16)
}

extern "C" __global__ void one_mma_tf32(const unsigned* a, const unsigned* b, float* d) {
    ONE_MMA(sim::mma_tf32_16x8x8)
}

// d (16,8) = a (16,16) * b (8,16) transposed, bf16, by the way through shared memory that a real kernel takes.
extern "C" __global__ void product_by_ldmatrix(const unsigned short* a, const unsigned short* b, float* d) {
    __shared__ __align__(16) unsigned short a_tile[16][24], b_tile[8][24];
    unsigned lane = threadIdx.x;
    for (unsigned i = lane; i < 16 * 16; i += 32) a_tile[i / 16][i % 16] = a[i];
    for (unsigned i = lane; i < 8 * 16; i += 32) b_tile[i / 16][i % 16] = b[i];
    __syncwarp();
    unsigned a_held[4], b_held[2];
    sim::ldmatrix_x4(a_held, &a_tile[lane % 16][lane / 16 * 8]);
    sim::ldmatrix_x2(b_held, &b_tile[lane % 8][lane / 8 % 2 * 8]);
    float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    sim::mma_bf16_16x8x16(sum, a_held, b_held);
    for (unsigned i = 0; i < 4; ++i) d[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = sum[i];
}

// The same with b (16,8) as it is, which ldmatrix transposes.
extern "C" __global__ void product_by_ldmatrix_trans(const unsigned short* a, const unsigned short* b, float* d) {
    __shared__ __align__(16) unsigned short a_tile[16][24], b_tile[16][8];
    unsigned lane = threadIdx.x;
    for (unsigned i = lane; i < 16 * 16; i += 32) a_tile[i / 16][i % 16] = a[i];
    for (unsigned i = lane; i < 16 * 8; i += 32) b_tile[i / 8][i % 8] = b[i];
    __syncwarp();
    unsigned a_held[4], b_held[2], b_twice[4];
    sim::ldmatrix_x4(a_held, &a_tile[lane % 16][lane / 16 * 8]);
    sim::ldmatrix_x2_trans(b_held, &b_tile[lane % 16][0]);
    sim::ldmatrix_x4_trans(b_twice, &b_tile[lane % 16][0]);
    assert(b_twice[0] == b_held[0] && b_twice[1] == b_held[1] && b_twice[2] == b_held[0]);
    float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    sim::mma_bf16_16x8x16(sum, a_held, b_held);
    for (unsigned i = 0; i < 4; ++i) d[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = sum[i];
}
