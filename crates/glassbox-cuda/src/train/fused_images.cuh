// A training step of a network with one hidden layer in two kernels, with the bits of the same step operation by
// operation. The first, here, takes an image a block through the network, forward and back, and ends with the gradients of
// what the layers gave. The second, in fused_update.cuh, computes the gradients of all weights, which change them while they
// are in registers.
//
// Between them lies what every block has to wait for: the weights are read by one kernel and changed by the other. What does
// not depend on that is done before: here the pixels that are not zero are listed, there weights are fetched.
//
// A step is little arithmetic and much waiting: an answer of memory takes as long as a hundred multiply-adds, and one
// thread alone runs along each chain of additions. So a thread asks for the factors of many terms at once, straight from
// memory into registers, and what counts is how few instructions lie on the way.
#include "fused.cuh"
#include "ladder.cuh"
#include "row_loss.cuh"

// Threads: four warps have a unit each thread, and a warp has an output each lane. Neighbouring pixels that a thread looks at.
constexpr unsigned UNITS = 4 * WARP, THREADS = UNITS + WARP, WARPS = THREADS / WARP, NEIGHBOURS = 8, SEGMENT = NEIGHBOURS * THREADS;

// Terms of a unit's chain that are asked for at once.
constexpr unsigned AT_ONCE = 64;
static_assert(SEGMENT % AT_ONCE == 0, "a segment has room for the zeros at its end");

// The most that fused.rs lets in: units, and outputs, of which a lane has one.
constexpr unsigned MOST_UNITS = 1024, MOST_OUTPUTS = WARP;

struct Shared {
    // Pixels of a segment that are not zero, in order, and where in the image they are. Behind the last one are zeros, as if
    // of the first pixel.
    __align__(16) float values[SEGMENT];
    __align__(16) unsigned places[SEGMENT];
    // What the units are given, and what they give.
    float before[MOST_UNITS];
    __align__(16) float units[MOST_UNITS];
    // The gradients of the logits.
    __align__(16) float d[MOST_OUTPUTS];
    // How many pixels of a segment are not zero, warp by warp.
    unsigned counts[WARPS];
};

// A chain on top of acc: x, in shared memory, times w.
template <unsigned TERMS>
__device__ __forceinline__ float add(float acc, const float* x, const float (&w)[TERMS]) {
#pragma unroll
    for (unsigned s = 0; s < TERMS; s += 4) {
        float four[4];
        load4(four, x + s);
#pragma unroll
        for (unsigned t = 0; t < 4; ++t) acc = fmaf(four[t], w[s + t], acc);
    }
    return acc;
}

// Puts the pixels of a segment that are not zero into shared memory; returns how many they are. The whole block takes part.
//
// A thread looks at some neighbours. Of each a vote tells a warp how many that are not zero come before a thread's own, and
// counts how many the warp has; the counts of the warps tell how many come before the warp's.
__device__ __forceinline__ unsigned list_pixels(Shared& shared, const unsigned char* image, unsigned first, unsigned i) {
    unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, p = first + NEIGHBOURS * threadIdx.x;
    unsigned char bytes[NEIGHBOURS];
#pragma unroll
    for (unsigned a = 0; a < NEIGHBOURS; ++a) bytes[a] = p + a < i ? image[p + a] : 0;
    unsigned before = 0, own = 0, found = 0;
#pragma unroll
    for (unsigned a = 0; a < NEIGHBOURS; ++a) {
        unsigned votes = __ballot_sync(ALL, bytes[a] != 0);
        before += __popc(votes & ((1u << lane) - 1));
        own += __popc(votes);
    }
    if (lane == 0) shared.counts[warp] = own;
    __syncthreads();
#pragma unroll
    for (unsigned w = 0; w < WARPS; ++w) {
        before += w < warp ? shared.counts[w] : 0;
        found += shared.counts[w];
    }
#pragma unroll
    for (unsigned a = 0; a < NEIGHBOURS; ++a) {
        if (bytes[a] == 0) continue;
        shared.values[before] = scaled(bytes[a]);
        shared.places[before] = p + a;
        ++before;
    }
    unsigned behind = found + threadIdx.x;
    if (behind < (found + AT_ONCE - 1) / AT_ONCE * AT_ONCE) {
        shared.values[behind] = 0.0f;
        shared.places[behind] = 0;
    }
    __syncthreads();
    return found;
}

// Σ x·w over the pixels of the segment, w in a column of w1, on top of acc. Only pixels that are not zero are multiplied, as
// the definition has it: the others would add nothing, since pixels are finite.
//
// A chain may end as −0 here and below: the sign of a zero among activations and their gradients is seen by nobody, since
// terms with a factor of zero are left out of every sum that follows.
__device__ __forceinline__ float add_pixels(const Shared& shared, float acc, unsigned found, const float* column, unsigned h) {
    auto weight = [&](unsigned place) { return *below(column, place, h); };
    auto load = [&](float (&w)[AT_ONCE], unsigned p) {
#pragma unroll
        for (unsigned s = 0; s < AT_ONCE; s += 4) {
            uint4 places = *reinterpret_cast<const uint4*>(shared.places + p + s);
            w[s] = weight(places.x), w[s + 1] = weight(places.y), w[s + 2] = weight(places.z), w[s + 3] = weight(places.w);
        }
    };
    if (found == 0) return acc;
    // While some are multiplied the next ones are on their way. Short code: what is not there yet has to be fetched as well.
    float sum = acc, w[2][AT_ONCE];
    load(w[0], 0);
#pragma unroll 1
    for (unsigned p = 0; p < found; p += 2 * AT_ONCE) {
        bool has_second = p + AT_ONCE < found;
        if (has_second) load(w[1], p + AT_ONCE);
        sum = add(sum, shared.values + p, w[0]);
        if (p + 2 * AT_ONCE < found) load(w[0], p + 2 * AT_ONCE);
        if (has_second) sum = add(sum, shared.values + p + AT_ONCE, w[1]);
    }
    if (is_finite(sum)) return sum;
    // The first row, which the zeros behind the last pixel met, may not be finite.
    for (unsigned e = 0; e < found; ++e) acc = fmaf(shared.values[e], weight(shared.places[e]), acc);
    return acc;
}

// The hidden layer of an image: units = f(before), before = image·w1 + b1, with zeros behind the last unit; they go to `hidden`
// (h) as well. `found` pixels of the first segment are listed. The whole block takes part.
__device__ __forceinline__ void hidden_layer(Shared& shared, const unsigned char* image, unsigned found, const Matrix& w1,
                                             const float* b1, unsigned kind, float slope, float* hidden) {
    unsigned i = w1.rows, h = w1.cols;
#pragma unroll 1
    for (unsigned unit0 = 0; unit0 < h; unit0 += UNITS) {
        unsigned unit = unit0 + threadIdx.x;
        bool has_unit = threadIdx.x < UNITS && unit < h;  // mutant: the sum of one thread more goes nowhere
        float bias = has_unit ? b1[unit] : 0.0f, acc = 0.0f;
#pragma unroll 1
        for (unsigned first = 0; first < i; first += SEGMENT) {
            // What lies in shared memory is the segment before, unless there is only one.
            if (i > SEGMENT && first + unit0 > 0) found = list_pixels(shared, image, first, i);
            if (has_unit) acc = add_pixels(shared, acc, found, w1.place(0, unit), h);
        }
        if (threadIdx.x >= UNITS) continue;
        float x = acc + bias, y = has_unit ? activate(kind, slope, x) : 0.0f;
        shared.before[unit] = x;
        shared.units[unit] = y;
        if (has_unit) hidden[unit] = y;
    }
}

// What a unit's gradient is made of: its row of w2, with zeros behind the last output.
__device__ __forceinline__ void fetch_row(float (&from_unit)[MOST_OUTPUTS], const Matrix& w2, unsigned unit) {
    const float* row = w2.place(unit, 0);
#pragma unroll
    for (unsigned j = 0; j < MOST_OUTPUTS; ++j) from_unit[j] = j < w2.cols ? row[j] : 0.0f;
}

// And what a logit is made of: UNITS numbers from p0 on of a column of w2, with zeros behind the last one.
__device__ __forceinline__ void fetch_column(float (&to_output)[UNITS], const Matrix& w2, unsigned p0, const float* column) {
#pragma unroll
    for (unsigned s = 0; s < UNITS; ++s) to_output[s] = p0 + s < w2.rows ? *below(column, p0 + s, w2.cols) : 0.0f;
}

// Σ d·w2 over the outputs of a unit.
__device__ __forceinline__ float add_outputs(const Shared& shared, const float (&from_unit)[MOST_OUTPUTS], const Matrix& w2,
                                             unsigned unit) {
    float dy = 0.0f;
#pragma unroll
    for (unsigned j = 0; j < MOST_OUTPUTS; j += 4) {  // mutant: the next break ends it
        if (j >= w2.cols) break;  // mutant: four more zeros
        float d[4];
        load4(d, shared.d + j);
#pragma unroll
        for (unsigned s = 0; s < 4; ++s) dy = fmaf(d[s], from_unit[j + s], dy);
    }
    return is_finite(dy) ? dy : chain(shared.d, 1, w2.place(unit, 0), 1, w2.cols);
}

// One image a block, row `blockIdx.x` of the batch: hidden (b,h) = f(x·w1 + b1), dlogits (b,o) of logits hidden·w2 + b2, losses
// and answers (b), and dhidden (b,h) = dlogits·w2ᵀ times f′.
template <bool IS_EARLY>
__device__ __forceinline__ void take_image(const Batch& batch, const unsigned* labels, unsigned step, unsigned turn, const Matrix& w1,
                                           const float* b1, const Matrix& w2, const float* b2, float* hidden, float* dlogits,
                                           float* dhidden, float* losses, unsigned* right, State* state, float scale, unsigned kind,
                                           float slope) {
    __shared__ Shared shared;
    unsigned row = blockIdx.x, lane = threadIdx.x % WARP, i = w1.rows, h = w1.cols, o = w2.cols;
    bool is_output_warp = threadIdx.x >= UNITS;
    const unsigned char* image = batch.row(row, i);
    unsigned label = labels[batch.order[row]], found = list_pixels(shared, image, 0, i);
    wait_and_let_start<IS_EARLY>();

    hidden_layer(shared, image, found, w1, b1, kind, slope, hidden + u64(row) * h);
    // Lanes without an output look on. This warp has had nothing to do yet.
    const float* column = w2.place(0, lane < o ? lane : 0);
    float to_output[UNITS], from_unit[MOST_OUTPUTS], bias = 0.0f, logit = 0.0f;
    if (is_output_warp) {
        fetch_column(to_output, w2, 0, column);
        if (lane < o) bias = b2[lane];
    }
    __syncthreads();

    LaneLoss seen;
    if (is_output_warp) {
#pragma unroll 1
        for (unsigned p0 = 0; p0 < h; p0 += UNITS) {
            if (p0 > 0) fetch_column(to_output, w2, p0, column);
            logit = add(logit, shared.units + p0, to_output);
        }
        if (!is_finite(logit)) logit = chain(shared.units, 1, column, o, h);
        logit += bias;
        seen = lane_loss(logit, label, scale, o);
        shared.d[lane] = seen.gradient;
    } else if (threadIdx.x < h) {
        fetch_row(from_unit, w2, threadIdx.x);
    }
    __syncthreads();

    if (is_output_warp) {
        // Nobody in the block waits for this.
        if (lane < o) dlogits[u64(row) * o + lane] = seen.gradient;
        LaneAnswer answer = lane_answer(logit, seen.max, label, o);
        if (lane > 0) return;
        losses[row] = math::ln(seen.sum) - answer.distance;
        right[row] = answer.is_right;
        if (row == 0) state->steps[1 - turn] = step + 1;
        return;
    }
#pragma unroll 1
    for (unsigned unit = threadIdx.x; unit < h; unit += UNITS) {
        if (unit >= UNITS) fetch_row(from_unit, w2, unit);
        float dy = add_outputs(shared, from_unit, w2, unit);
        dhidden[u64(row) * h + unit] = activate_backward(kind, slope, dy, shared.before[unit], shared.units[unit]);
    }
}

// The parameters of the kernels, in the order in which they are needed, since they are fetched 64 bytes at a time.
#define FUSED_IMAGES_PARAMETERS                                                                                                \
    const unsigned *__restrict__ order, unsigned batch, unsigned turn, State *state, const unsigned char *__restrict__ pixels, \
        const unsigned *__restrict__ labels, const float *w1, unsigned i, unsigned h, const float *b1, const float *w2,        \
        const float *b2, unsigned o, unsigned kind, float slope, float scale, float *hidden, float *dlogits, float *dhidden,   \
        float *losses, unsigned *right
#define FUSED_IMAGES(IS_EARLY)                                                                                                  \
    unsigned step = __ldcg(&state->steps[turn]);                                                                                \
    take_image<IS_EARLY>({pixels, order + u64(step) * batch}, labels, step, turn, {w1, i, h}, b1, {w2, h, o}, b2, hidden,      \
                         dlogits, dhidden, losses, right, state, scale, kind, slope)
