// What the rungs of the ladder share and none of them is about: which tile a block computes, the edges of matrices, and
// elements that are not finite.
#pragma once

#include "common.cuh"

struct Place {
    unsigned row, col;
};

// Where this block's tile of the output begins. Tiles are numbered row by row, and blocks in x alone: there a grid has
// room for 2³¹ − 1 of them, in y only for 65535.
__device__ __forceinline__ Place tile_of_block(unsigned n, unsigned rows, unsigned cols) {
    unsigned across = (n + cols - 1) / cols;
    return {blockIdx.x / across * rows, blockIdx.x % across * cols};
}

// A factor, row after row. Outside of it are zeros, which add nothing to a chain.
struct Matrix {
    const float* start;
    unsigned rows, cols;

    __device__ __forceinline__ bool has(unsigned row, unsigned col) const { return row < rows && col < cols; }

    __device__ __forceinline__ const float* place(unsigned row, unsigned col) const {
        return start + (u64(row) * cols + col);
    }

    __device__ __forceinline__ float at(unsigned row, unsigned col) const {
        return has(row, col) ? *place(row, col) : 0.0f;
    }

    // How far it is to the next element to the right, and to the next one down.
    __device__ __forceinline__ u64 right() const { return 1; }
    __device__ __forceinline__ u64 down() const { return cols; }

    // Whether every row begins at a multiple of 16 bytes, as float4 asks.
    __device__ __forceinline__ bool is_aligned() const {
        return cols % 4 == 0 && reinterpret_cast<u64>(start) % 16 == 0;
    }

    // Four neighbours, the first in a column that is a multiple of four: in one access, where rows are aligned.
    __device__ __forceinline__ float4 quad(unsigned row, unsigned col) const {
        if (!is_aligned()) return make_float4(at(row, col), at(row, col + 1), at(row, col + 2), at(row, col + 3));
        if (!has(row, col)) return make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        return *reinterpret_cast<const float4*>(place(row, col));
    }
};

// A factor that lies column after column: the transposed of a matrix in memory.
struct Turned {
    const float* start;
    unsigned rows, cols;

    __device__ __forceinline__ Matrix stored() const { return {start, cols, rows}; }
    __device__ __forceinline__ const float* place(unsigned row, unsigned col) const { return stored().place(col, row); }
    __device__ __forceinline__ u64 right() const { return rows; }
    __device__ __forceinline__ u64 down() const { return 1; }
};

// The product. Elements outside of it are dropped. What stores tells whether all that it stored is finite.
struct Output {
    float* start;
    unsigned rows, cols;

    __device__ __forceinline__ float* place(unsigned row, unsigned col) const {
        return start + (u64(row) * cols + col);
    }

    __device__ __forceinline__ bool put(unsigned row, unsigned col, float acc) const {
        if (row >= rows || col >= cols) return true;
        *place(row, col) = end_of_chain(acc);
        return is_finite(acc);
    }

    // Two neighbours, the first in an even column.
    __device__ __forceinline__ bool put2(unsigned row, unsigned col, const float* acc) const {
        bool is_aligned = cols % 2 == 0 && reinterpret_cast<u64>(start) % 8 == 0;
        if (!is_aligned) return put(row, col, acc[0]) & put(row, col + 1, acc[1]);
        if (row >= rows || col >= cols) return true;
        *reinterpret_cast<float2*>(place(row, col)) = make_float2(end_of_chain(acc[0]), end_of_chain(acc[1]));
        return is_finite(acc[0]) & is_finite(acc[1]);
    }

    // Four neighbours, the first in a column that is a multiple of four.
    __device__ __forceinline__ bool put4(unsigned row, unsigned col, const float* acc) const {
        bool is_aligned = cols % 4 == 0 && reinterpret_cast<u64>(start) % 16 == 0;
        if (!is_aligned) return put2(row, col, acc) & put2(row, col + 2, acc + 2);
        if (row >= rows || col >= cols) return true;
        *reinterpret_cast<float4*>(place(row, col)) = make_float4(end_of_chain(acc[0]), end_of_chain(acc[1]),
                                                                  end_of_chain(acc[2]), end_of_chain(acc[3]));
        return is_finite(acc[0]) & is_finite(acc[1]) & is_finite(acc[2]) & is_finite(acc[3]);
    }
};

// Four neighbours in shared memory into registers, in one access.
__device__ __forceinline__ void load4(float* to, const float* from) {
    float4 four = *reinterpret_cast<const float4*>(from);
    to[0] = four.x;
    to[1] = four.y;
    to[2] = four.z;
    to[3] = four.w;
}

// An element by the definition: terms with a factor of zero are left out, whatever the other is.
template <class Left, class Right>
__device__ __forceinline__ float definition(const Left& a, const Right& b, unsigned row, unsigned col) {
    return chain(a.place(row, 0), a.right(), b.place(0, col), b.down(), a.cols);
}

// The end of every rung with a tile. All threads of the block come here, with whether what they stored is finite. If
// something is not, they go over the tile once more and compute such elements by the definition. That costs time only
// where there are infinities or NaN.
template <class Left, class Right>
__device__ __forceinline__ void mend(const Output& out, const Left& a, const Right& b, Place tile, unsigned rows,
                                     unsigned cols, bool finite) {
    if (!__syncthreads_or(!finite)) return;
    for (unsigned e = threadIdx.x; e < rows * cols; e += blockDim.x) {
        unsigned row = tile.row + e / cols, col = tile.col + e % cols;
        if (row >= out.rows || col >= out.cols) continue;
        float* element = out.place(row, col);
        if (!is_finite(*element)) *element = definition(a, b, row, col);
    }
}
