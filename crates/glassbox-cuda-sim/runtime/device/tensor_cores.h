// Twins of the instructions that newer chips have for matrices: mma.sync, ldmatrix and cp.async. A kernel calls them
// from the same small functions in which it has inline PTX for a GPU.
#pragma once
#include "threads.h"

namespace sim {
// d (16,8) += a (16,16) * b (16,8), bf16 inputs. Which lane and register hold which element is as the PTX manual has it
// for mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32.
void mma_bf16_16x8x16(float d[4], const unsigned a[4], const unsigned b[2], SIM_HERE);
// d (16,8) += a (16,8) * b (8,8), tf32 inputs: floats of which the last 13 bits are not looked at.
void mma_tf32_16x8x8(float d[4], const unsigned a[4], const unsigned b[2], SIM_HERE);

// Loads four matrices of 8 rows of 16 bytes. Lane i gives the address of row i % 8 of matrix i / 8.
void ldmatrix_x4(unsigned d[4], const void* row, SIM_HERE);
void ldmatrix_x4_trans(unsigned d[4], const void* row, SIM_HERE);
// Two matrices, whose rows lanes 0 to 15 name.
void ldmatrix_x2(unsigned d[2], const void* row, SIM_HERE);
void ldmatrix_x2_trans(unsigned d[2], const void* row, SIM_HERE);

// Copies `bytes` (4, 8 or 16) to shared memory, the first `valid_bytes` from `global` and zeros for the rest. They
// arrive when this thread waits, and not before.
void cp_async(void* shared, const void* global, int bytes, int valid_bytes, SIM_HERE);
void cp_async_commit();
// Waits until at most `pending_groups` of this thread's groups have not arrived.
void cp_async_wait(int pending_groups);
}  // namespace sim
