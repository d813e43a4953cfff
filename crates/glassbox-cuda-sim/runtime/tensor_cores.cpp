// mma.sync and ldmatrix: what the lanes of a warp hold, put together to matrices, multiplied, and handed out again.
#include "device/tensor_cores.h"

#include "checker.h"
#include "warps.h"

#include <stdint.h>
#include <string.h>

namespace sim {
namespace {
float as_float(unsigned bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// One lane's registers.
struct Fragments {
    float* d;
    const unsigned *a, *b;
};

// These instructions are for a warp with all of its 32 lanes.
void whole_warp(void* mine, void (*work)(Meeting&), const char* file, int line) {
    if (live_lanes(current->warp) != 0xffffffffu)
        fail({LAUNCH_FAILED, "an instruction for a whole warp, in a warp that has not all of its lanes",
              {{{file, line, nullptr}, name_of(*current)}}});
    meet(0xffffffffu, mine, work, file, line);
}

// d[i] of lane l is row l / 4 + 8 (i / 2), column 2 (l % 4) + i % 2, in both shapes.
template <int K>
void multiply_add(Meeting& meeting, const float (&a)[16][K], const float (&b)[K][8]) {
    for (unsigned lane = 0; lane < 32; ++lane) {
        float* d = meeting.of<Fragments>(lane).d;
        for (unsigned i = 0; i < 4; ++i) {
            unsigned row = lane / 4 + 8 * (i / 2), column = 2 * (lane % 4) + i % 2;
            float sum = 0.0f;
            for (int k = 0; k < K; ++k) sum += a[row][k] * b[k][column];
            d[i] += sum;
        }
    }
}

// A register holds two bf16, the one of the smaller column or row in its lower half.
void mma_bf16(Meeting& meeting) {
    float a[16][16], b[16][8];
    for (unsigned lane = 0; lane < 32; ++lane) {
        const Fragments& held = meeting.of<Fragments>(lane);
        unsigned group = lane / 4, pair = 2 * (lane % 4);
        for (unsigned r = 0; r < 4; ++r) {
            unsigned row = group + 8 * (r % 2), column = pair + 8 * (r / 2);
            a[row][column] = as_float(held.a[r] << 16);
            a[row][column + 1] = as_float(held.a[r] & 0xffff0000u);
        }
        for (unsigned r = 0; r < 2; ++r) {
            b[pair + 8 * r][group] = as_float(held.b[r] << 16);
            b[pair + 8 * r + 1][group] = as_float(held.b[r] & 0xffff0000u);
        }
    }
    multiply_add(meeting, a, b);
}

void mma_tf32(Meeting& meeting) {
    float a[16][8], b[8][8];
    for (unsigned lane = 0; lane < 32; ++lane) {
        const Fragments& held = meeting.of<Fragments>(lane);
        unsigned group = lane / 4, column = lane % 4;
        for (unsigned r = 0; r < 4; ++r)
            a[group + 8 * (r % 2)][column + 4 * (r / 2)] = as_float(held.a[r] & 0xffffe000u);
        for (unsigned r = 0; r < 2; ++r) b[column + 4 * r][group] = as_float(held.b[r] & 0xffffe000u);
    }
    multiply_add(meeting, a, b);
}

struct Rows {
    unsigned* d;
    uint16_t row[8];
};

// Register r of lane l gets elements 2 (l % 4) and the next of row l / 4 of matrix r, or of its transpose.
template <unsigned COUNT, bool TRANSPOSED>
void load_matrices(Meeting& meeting) {
    for (unsigned lane = 0; lane < 32; ++lane) {
        unsigned* d = meeting.of<Rows>(lane).d;
        for (unsigned r = 0; r < COUNT; ++r) {
            unsigned row = lane / 4, column = 2 * (lane % 4), halves[2];
            for (unsigned i = 0; i < 2; ++i) {
                unsigned from = TRANSPOSED ? column + i : row, element = TRANSPOSED ? row : column + i;
                halves[i] = meeting.of<Rows>(8 * r + from).row[element];
            }
            d[r] = halves[1] << 16 | halves[0];
        }
    }
}

template <unsigned COUNT, bool TRANSPOSED>
void ldmatrix(unsigned* d, const void* row, const char* file, int line, const void* code) {
    Rows mine = {d, {}};
    if (current->lane < 8 * COUNT) {
        if (reinterpret_cast<uintptr_t>(row) % 16 != 0)
            fail({MISALIGNED_ADDRESS, "misaligned ldmatrix", {{{file, line, nullptr}, name_of(*current)}}});
        checker::access(row, 16, checker::READ, code);
        memcpy(mine.row, row, 16);
    }
    whole_warp(&mine, load_matrices<COUNT, TRANSPOSED>, file, line);
}
}  // namespace

void mma_bf16_16x8x16(float d[4], const unsigned a[4], const unsigned b[2], const char* file, int line) {
    Fragments mine = {d, a, b};
    whole_warp(&mine, mma_bf16, file, line);
}

void mma_tf32_16x8x8(float d[4], const unsigned a[4], const unsigned b[2], const char* file, int line) {
    Fragments mine = {d, a, b};
    whole_warp(&mine, mma_tf32, file, line);
}

void ldmatrix_x4(unsigned d[4], const void* row, const char* file, int line) {
    ldmatrix<4, false>(d, row, file, line, __builtin_return_address(0));
}
void ldmatrix_x4_trans(unsigned d[4], const void* row, const char* file, int line) {
    ldmatrix<4, true>(d, row, file, line, __builtin_return_address(0));
}
void ldmatrix_x2(unsigned d[2], const void* row, const char* file, int line) {
    ldmatrix<2, false>(d, row, file, line, __builtin_return_address(0));
}
void ldmatrix_x2_trans(unsigned d[2], const void* row, const char* file, int line) {
    ldmatrix<2, true>(d, row, file, line, __builtin_return_address(0));
}
}  // namespace sim
