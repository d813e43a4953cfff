// A training step of a network with one hidden layer in two kernels, with the bits of the same step operation by
// operation. The first, here, takes an image a block through the network, forward and back, and ends with the gradients of
// what the layers gave. The second, in fused_update.cu, computes the gradients of all weights, which change them while they
// are in registers, and fetches the images of the next step.
//
// Between them lies what every block has to wait for: the weights are read by one kernel and changed by the other.
//
// A step is little arithmetic and much waiting: an answer of memory takes as long as a hundred multiply-adds, and one
// thread alone runs along each chain of additions. So a block asks at once for all that it will need, chains run in shared
// memory, and what counts is how few instructions they take.
#include "ladder.cuh"
#include "row_loss.cuh"

// What the kernels have of the images of the step to come, row by row: the pixels (b,i), of these the ones that are not zero,
// in order, each its place and its value (b,i), and their number (b), and the label (b).
struct Batch {
    const unsigned char* pixels;
    const uint2* terms;
    const unsigned* counts;
    const unsigned* labels;
};

// Threads, pixels that are looked at in one go, and a tile of weights: rows of w1, each warp eight, by units, each lane four.
constexpr unsigned THREADS = 256, WARPS = THREADS / WARP, SEGMENT = 2 * THREADS;
constexpr unsigned ROWS_EACH = 8, ROWS = ROWS_EACH * WARPS, UNITS = 4 * WARP;

// Chains run in pairs of steps, of which the last terms may be zeros.
constexpr unsigned STEP = 16;
static_assert(ROWS % (2 * STEP) == 0 && SEGMENT % (2 * STEP) == 0 && UNITS % (2 * STEP) == 0, "no pair runs over an end");

// Rows of w2 lie turned in shared memory, four apart in its banks. Each warp copies so many of UNITS.
constexpr unsigned TURNED = UNITS + 4, TURNED_EACH = UNITS / WARPS;

// The most that fused.rs lets in: units, and outputs, of which a lane has one.
constexpr unsigned MOST_UNITS = 1024, MOST_OUTPUTS = WARP;
static_assert(MOST_OUTPUTS * TURNED <= ROWS * UNITS, "both use the same room");

struct Shared {
    __align__(16) float weights[ROWS * UNITS];
    // Pixels that are not zero, in order, with zeros behind the last one, and where they are.
    __align__(16) float values[SEGMENT];
    unsigned places[SEGMENT];
    // What the units are given, and what they give.
    float before[MOST_UNITS];
    __align__(16) float units[MOST_UNITS];
    // The gradients of the logits; the loss is ln(sum) − distance.
    __align__(16) float d[MOST_OUTPUTS];
    float sum, distance;
    // The label, and how many pixels are not zero.
    unsigned label, count;
};

// A chain on top of acc: load(x, w, p) loads the factors of the terms from p on, while those of the step before are
// multiplied.
template <class Load>
__device__ __forceinline__ float run(float acc, unsigned terms, const Load& load) {
    float x[2][STEP], w[2][STEP];
    load(x[0], w[0], 0);
    // Short code: what is not there yet has to be fetched as well.
#pragma unroll 1
    for (unsigned p = 0; p < terms; p += 2 * STEP) {
        load(x[1], w[1], p + STEP);
#pragma unroll
        for (unsigned s = 0; s < STEP; ++s) acc = fmaf(x[0][s], w[0][s], acc);
        if (p + 2 * STEP < terms) load(x[0], w[0], p + 2 * STEP);
#pragma unroll
        for (unsigned s = 0; s < STEP; ++s) acc = fmaf(x[1][s], w[1][s], acc);
    }
    return acc;
}

// So many rows below, in one multiplication.
__device__ __forceinline__ const float* below(const float* column, unsigned rows, unsigned cols) {
    return reinterpret_cast<const float*>(reinterpret_cast<const char*>(column) + u64(rows) * (unsigned(sizeof(float)) * cols));
}

// The rows of w1 that belong to the pixels from e0 on in the list: what this thread copies of them, and where.
template <bool IS_ALIGNED>
struct Ahead {
    float4 rows[ROWS_EACH];

    // This thread has the units from `unit` on.
    __device__ __forceinline__ void fetch(const Shared& shared, const Matrix& w1, unsigned e0, unsigned found, unsigned unit) {
        if (e0 >= found) return;  // mutant: asks for no row
        unsigned end = unit < w1.cols ? found : 0, e = e0 + threadIdx.x / WARP;
        const float* column = w1.place(0, unit);
#pragma unroll
        for (unsigned a = 0; a < ROWS_EACH; ++a) {
            rows[a] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
            if (e + a * WARPS >= end) continue;
            unsigned pixel = shared.places[e + a * WARPS];
            rows[a] = IS_ALIGNED ? *reinterpret_cast<const float4*>(below(column, pixel, w1.cols)) : w1.quad(pixel, unit);
        }
    }

    __device__ __forceinline__ void put(Shared& shared) const {
        unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
#pragma unroll
        for (unsigned a = 0; a < ROWS_EACH; ++a)
            *reinterpret_cast<float4*>(&shared.weights[(warp + a * WARPS) * UNITS + 4 * lane]) = rows[a];
    }
};

// The hidden layer of image `row`: units = f(before), before = image·w1 + b1, with zeros behind the last unit. Only pixels
// that are not zero are multiplied, as the definition has it: the others would add nothing, since pixels are finite.
// `meanwhile` is called when the block has asked for weights and would wait.
//
// A chain may end as −0 here and below: the sign of a zero among activations and their gradients is seen by nobody, since
// terms with a factor of zero are left out of every sum that follows.
template <bool IS_ALIGNED, class Meanwhile>
__device__ __forceinline__ void hidden_layer(Shared& shared, const Batch& next, unsigned row, const Matrix& w1, const float* b1,
                                             unsigned kind, float slope, const Meanwhile& meanwhile) {
    unsigned lane = threadIdx.x % WARP, i = w1.rows, h = w1.cols;
#pragma unroll 1
    for (unsigned unit0 = 0; unit0 < h; unit0 += UNITS) {
        unsigned unit = unit0 + threadIdx.x, mine = unit0 + 4 * lane;
        bool has_unit = threadIdx.x < UNITS && unit < h;  // mutant: one thread asks for a bias too many
        float acc = 0.0f, bias = 0.0f;
        unsigned first = 0, all;
        do {
            // Terms are asked for whether they are there or not, and one thread asks how many are: the others would all
            // wait for what they all need.
            uint2 terms[SEGMENT / THREADS];
#pragma unroll
            for (unsigned a = 0; a < SEGMENT / THREADS; ++a) {
                unsigned e = first + threadIdx.x + a * THREADS;
                terms[a] = e < i ? next.terms[u64(row) * i + e] : make_uint2(0, 0);
            }
            if (unit0 == 0 && first == 0 && threadIdx.x == THREADS - 1) shared.count = next.counts[row];
#pragma unroll
            for (unsigned a = 0; a < SEGMENT / THREADS; ++a) {
                shared.places[threadIdx.x + a * THREADS] = terms[a].x;
                shared.values[threadIdx.x + a * THREADS] = __uint_as_float(terms[a].y);
            }
            __syncthreads();
            all = shared.count;
            unsigned found = all - first < SEGMENT ? all - first : SEGMENT;  // mutant: equal is equal
            // Memory answers two tiles later.
            Ahead<IS_ALIGNED> tiles[2];
            tiles[0].fetch(shared, w1, 0, found, mine);
            tiles[1].fetch(shared, w1, ROWS, found, mine);
            if (first == 0 && has_unit) bias = b1[unit];
            if (first == 0 && unit0 == 0) meanwhile();
#pragma unroll 1
            for (unsigned e0 = 0; e0 < found; e0 += 2 * ROWS) {  // mutant: the next break ends it
#pragma unroll
                for (unsigned t = 0; t < 2; ++t) {
                    unsigned at = e0 + t * ROWS;
                    if (at >= found) break;  // mutant: a chain of no terms
                    tiles[t].put(shared);
                    __syncthreads();
                    tiles[t].fetch(shared, w1, at + 2 * ROWS, found, mine);
                    if (threadIdx.x < UNITS) {  // mutant: one chain too many, which nobody reads
                        acc = run(acc, found - at < ROWS ? found - at : ROWS, [&](float* x, float* w, unsigned p) {  // mutant: equal is equal
                            const float *values = shared.values + at + p, *column = shared.weights + p * UNITS + threadIdx.x;
#pragma unroll
                            for (unsigned s = 0; s < STEP; s += 4) load4(x + s, values + s);
#pragma unroll
                            for (unsigned s = 0; s < STEP; ++s) w[s] = column[s * UNITS];
                        });
                    }
                    __syncthreads();
                }
            }
            first += SEGMENT;
        } while (first < all);  // mutant: once more without terms
        if (threadIdx.x < UNITS) {
            float x = acc + bias;
            shared.before[unit] = x;
            shared.units[unit] = has_unit ? activate(kind, slope, x) : 0.0f;
        }
    }
}

// UNITS rows of w2 from p0 on: what this thread copies of them, and where.
struct AheadTurned {
    float column[TURNED_EACH];

    __device__ __forceinline__ void fetch(const Matrix& w2, unsigned p0) {
        unsigned lane = threadIdx.x % WARP, p = p0 + threadIdx.x / WARP, end = lane < w2.cols ? w2.rows : 0;
        const float* from = w2.place(p, lane);
#pragma unroll
        for (unsigned a = 0; a < TURNED_EACH; ++a) column[a] = p + a * WARPS < end ? *below(from, a * WARPS, w2.cols) : 0.0f;
    }

    // Rows of w2 for so many outputs, of which the last ones may be zeros.
    __device__ __forceinline__ void put(Shared& shared, unsigned outputs) const {
        unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
#pragma unroll
        for (unsigned a = 0; a < TURNED_EACH; ++a)
            if (lane < outputs) shared.weights[lane * TURNED + warp + a * WARPS] = column[a];  // mutant: one row too many, which nobody reads
    }
};

// What `fused_images` computes.
template <bool IS_ALIGNED>
__device__ __forceinline__ void take_image(const Batch& next, const Matrix& w1, const float* b1, const Matrix& w2, const float* b2,
                                           unsigned char* now, float* hidden, float* dlogits, float* dhidden, float* losses,
                                           unsigned* right, State* state, float scale, unsigned kind, float slope) {
    __shared__ Shared shared;
    unsigned row = blockIdx.x, lane = threadIdx.x % WARP, i = w1.rows, h = w1.cols, o = w2.cols, outputs = (o + 3) / 4 * 4;
    AheadTurned ahead;
    float bias = 0.0f, logit = 0.0f;
    hidden_layer<IS_ALIGNED>(shared, next, row, w1, b1, kind, slope, [&] {
        ahead.fetch(w2, 0);
        if (threadIdx.x < o) bias = b2[threadIdx.x];
        if (threadIdx.x == THREADS - 1) shared.label = next.labels[row];
    });
#pragma unroll 1
    for (unsigned p0 = 0; p0 < h; p0 += UNITS) {
        if (p0 > 0) ahead.fetch(w2, p0);
        ahead.put(shared, outputs);
        __syncthreads();
        if (threadIdx.x < WARP) {  // mutant: one chain too many, which nobody reads
            logit = run(logit, h - p0 < UNITS ? h - p0 : UNITS, [&](float* x, float* w, unsigned p) {  // mutant: equal is equal
                const float *units = shared.units + p0 + p, *column = shared.weights + (lane < o ? lane : 0) * TURNED + p;
#pragma unroll
                for (unsigned s = 0; s < STEP; s += 4) {
                    load4(x + s, units + s);
                    load4(w + s, column + s);
                }
            });
        }
        if (p0 + UNITS < h) __syncthreads();  // mutant: one barrier too many
    }
    // One warp runs along the chains of the outputs. What does not depend on them is for the others.
    if (threadIdx.x >= WARP) {
        const unsigned OTHERS = THREADS - WARP, ASKED = 4;
        for (unsigned p = threadIdx.x - WARP; p < i; p += ASKED * OTHERS) {  // mutant: each pixel is looked at below
            unsigned char bytes[ASKED];
#pragma unroll
            for (unsigned a = 0; a < ASKED; ++a) bytes[a] = p + a * OTHERS < i ? next.pixels[u64(row) * i + p + a * OTHERS] : 0;
#pragma unroll
            for (unsigned a = 0; a < ASKED; ++a)
                if (p + a * OTHERS < i) now[u64(row) * i + p + a * OTHERS] = bytes[a];
        }
        for (unsigned p = threadIdx.x - WARP; p < h; p += OTHERS) hidden[u64(row) * h + p] = shared.units[p];
        if (row == 0 && threadIdx.x == THREADS - 1) {
            unsigned step = state->step, stops = state->stops;
            Rule rule = state->next_rule;
            state->step_of_update = step;
            state->stopped = stops;
            state->rule = rule;
        }
    } else {
        if (lane < o && !is_finite(logit)) logit = chain(shared.units, 1, w2.place(0, lane), o, h);
        LaneLoss seen = lane_loss(logit + bias, shared.label, scale, o);
        shared.d[lane] = seen.gradient;
        if (lane == 0) {
            shared.sum = seen.sum;
            shared.distance = seen.distance;
            right[row] = seen.is_right;
        }
        if (lane < o) dlogits[u64(row) * o + lane] = seen.gradient;
    }
    __syncthreads();
    if (threadIdx.x == THREADS - 1) losses[row] = math::ln(shared.sum) - shared.distance;
#pragma unroll 1
    for (unsigned p0 = 0; p0 < h; p0 += UNITS) {  // mutant: there are no units
        if (h > UNITS) {
            ahead.fetch(w2, p0);
            __syncthreads();
            ahead.put(shared, outputs);
            __syncthreads();
        }
        unsigned p = p0 + threadIdx.x;
        if (threadIdx.x < UNITS && p < h) {
            float dy = 0.0f;
#pragma unroll 1
            for (unsigned j = 0; j < o; j += 4) {
                const float* from = shared.weights + j * TURNED + threadIdx.x;
                float x[4];
                load4(x, shared.d + j);
#pragma unroll
                for (unsigned s = 0; s < 4; ++s) dy = fmaf(x[s], from[s * TURNED], dy);
            }
            if (!is_finite(dy)) dy = chain(shared.d, 1, shared.weights + threadIdx.x, TURNED, o);
            dhidden[u64(row) * h + p] = activate_backward(kind, slope, dy, shared.before[p], shared.units[p]);
        }
    }
}

// One image a block: hidden (b,h) = f(x·w1 + b1), dlogits (b,o) of logits hidden·w2 + b2, losses and answers (b), and
// dhidden (b,h) = dlogits·w2ᵀ times f′. The image is row `blockIdx.x` of the batch, and copied to `now` (b,i). Rows of w1
// begin at multiples of 16 bytes.
//
// Parameters stand in the order in which they are needed, since they are fetched 64 bytes at a time; the labels stand with
// those of the end, so that these are there by then.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    fused_images(const uint2* __restrict__ terms, const unsigned* __restrict__ counts,
                 const float* __restrict__ w1, unsigned i, unsigned h, const float* __restrict__ b1, const float* __restrict__ w2,
                 const float* __restrict__ b2, unsigned o, unsigned kind, float slope, float scale,
                 const unsigned char* __restrict__ pixels, unsigned char* __restrict__ now, float* __restrict__ hidden,
                 float* __restrict__ dlogits, float* __restrict__ dhidden, float* __restrict__ losses, unsigned* __restrict__ right,
                 const unsigned* __restrict__ labels, State* __restrict__ state) {
    const Batch next = {pixels, terms, counts, labels};
    take_image<true>(next, {w1, i, h}, b1, {w2, h, o}, b2, now, hidden, dlogits, dhidden, losses, right, state, scale, kind, slope);
}

// The same where they begin anywhere.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    fused_images_anywhere(const uint2* __restrict__ terms, const unsigned* __restrict__ counts,
                          const float* __restrict__ w1, unsigned i, unsigned h, const float* __restrict__ b1, const float* __restrict__ w2,
                          const float* __restrict__ b2, unsigned o, unsigned kind, float slope, float scale,
                          const unsigned char* __restrict__ pixels, unsigned char* __restrict__ now, float* __restrict__ hidden,
                          float* __restrict__ dlogits, float* __restrict__ dhidden, float* __restrict__ losses, unsigned* __restrict__ right,
                          const unsigned* __restrict__ labels, State* __restrict__ state) {
    const Batch next = {pixels, terms, counts, labels};
    take_image<false>(next, {w1, i, h}, b1, {w2, h, o}, b2, now, hidden, dlogits, dhidden, losses, right, state, scale, kind, slope);
}
