// The second kernel of a training step of a network with one hidden layer, see fused_images.cu: the gradients of all weights,
// which change the weights while they are in registers; and the images of the next step.
#include "ladder.cuh"
#include "row_loss.cuh"

// A byte divided by 255, rounded as the division rounds it: true for all 256: glassbox-cpu/src/fast/vector/bytes.rs
// tests the same formula.
__device__ __forceinline__ float scaled(unsigned char pixel) {
    const float INVERSE = 1.0f / 255.0f, INVERSE_LOW = float(1.0 / 255.0 - double(INVERSE));
    float x = float(pixel);
    return fmaf(x, INVERSE, x * INVERSE_LOW);
}

// Threads; images that are looked at in one go; pixels of a block, each warp one, and units, each lane
// two; in the last layer units, each lane one, and outputs, each warp one.
constexpr unsigned PIXELS = 8, OUTPUTS = 8, UPDATE_THREADS = 8 * WARP, IMAGES = 64, TILE = 2 * WARP;
constexpr unsigned DELTAS = IMAGES * TILE / 4 / UPDATE_THREADS, ACROSS = TILE / 4;

union Tile {
    struct {
        // dhidden of the images.
        __align__(16) float deltas[IMAGES][TILE];
        // Of each pixel: the images in which it is not zero, in order, and its value there.
        uint2 terms[PIXELS][IMAGES];
    } first;
    struct {
        float hidden[IMAGES][WARP], dlogits[IMAGES][OUTPUTS];
    } last;
    // How many pixels of each warp are not zero.
    unsigned counts[UPDATE_THREADS / WARP];
};

// Image `place` of the order becomes row `row` of the batch, if the run is that long. The whole block takes part.
//
// A thread looks at four neighbours. Of each a vote tells a warp how many that are not zero come before a thread's own, and
// counts how many the warp has; the counts of the warps tell how many come before the warp's.
__device__ __forceinline__ void gather(Tile& shared, unsigned char* next_pixels, uint2* terms, unsigned* counts,
                                       unsigned* next_labels, const unsigned char* pixels, const unsigned* labels,
                                       const unsigned* order, unsigned place, unsigned images, unsigned row, unsigned i) {
    if (place >= images) return;
    const unsigned EACH = 4;
    unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, image = order[place], found = 0;
#pragma unroll 1
    for (unsigned first = 0; first < i; first += EACH * UPDATE_THREADS) {
        unsigned char bytes[EACH];
        unsigned before = found, own = 0;
#pragma unroll
        for (unsigned a = 0; a < EACH; ++a) {
            unsigned p = first + EACH * threadIdx.x + a;
            bytes[a] = p < i ? pixels[u64(image) * i + p] : 0;
        }
#pragma unroll
        for (unsigned a = 0; a < EACH; ++a) {
            unsigned p = first + EACH * threadIdx.x + a;
            if (p < i) next_pixels[u64(row) * i + p] = bytes[a];
            unsigned votes = __ballot_sync(ALL, bytes[a] != 0);
            before += __popc(votes & ((1u << lane) - 1));
            own += __popc(votes);
        }
        if (lane == 0) shared.counts[warp] = own;
        __syncthreads();
#pragma unroll
        for (unsigned w = 0; w < UPDATE_THREADS / WARP; ++w) {
            before += w < warp ? shared.counts[w] : 0;
            found += shared.counts[w];
        }
#pragma unroll
        for (unsigned a = 0; a < EACH; ++a) {
            if (bytes[a] == 0) continue;
            terms[u64(row) * i + before] = make_uint2(first + EACH * threadIdx.x + a, __float_as_uint(scaled(bytes[a])));
            ++before;
        }
        if (first + EACH * UPDATE_THREADS < i) __syncthreads();  // mutant: one barrier too many
    }
    // Who reads does not know yet how many there are.
    for (unsigned e = found + threadIdx.x; e < i; e += UPDATE_THREADS) terms[u64(row) * i + e] = make_uint2(0, 0);
    if (threadIdx.x > 0) return;
    counts[row] = found;
    next_labels[row] = labels[image];
}

// The images of the first step of a run, and its rule: a block an image.
extern "C" __global__ void __launch_bounds__(UPDATE_THREADS)
    fused_first(unsigned char* __restrict__ next_pixels, uint2* __restrict__ terms, unsigned* __restrict__ counts,
                unsigned* __restrict__ next_labels, const unsigned char* __restrict__ pixels,
                const unsigned* __restrict__ labels, const unsigned* __restrict__ order, const Rule* __restrict__ rules,
                State* __restrict__ state, unsigned i) {
    __shared__ Tile shared;
    if (blockIdx.x == 0 && threadIdx.x == 0) state->next_rule = rules[0];
    gather(shared, next_pixels, terms, counts, next_labels, pixels, labels, order, blockIdx.x, state->images, blockIdx.x, i);
}

// The gradients of the weights from pixel `pixel` to two units 32 apart, by the definition: Σ x·dhidden over the images
// whose x is not zero. (Where the other factor is, it makes no difference, since pixels are finite.)
__device__ __forceinline__ float2 pixel_gradients(Tile& shared, Rule& rule, bool& has_stopped, const State* state, const unsigned char* now,
                                                  const Matrix& dhidden, unsigned pixel, unsigned unit0, unsigned i) {
    unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, b = dhidden.rows;
    float2 acc = make_float2(0.0f, 0.0f);
#pragma unroll 1
    for (unsigned row0 = 0; row0 < b; row0 += IMAGES) {
        float x[2];
#pragma unroll
        for (unsigned a = 0; a < 2; ++a) {
            unsigned row = row0 + a * WARP + lane;
            x[a] = row < b && pixel < i ? scaled(now[u64(row) * i + pixel]) : 0.0f;
        }
        float4 deltas[DELTAS];
#pragma unroll
        for (unsigned a = 0; a < DELTAS; ++a) {
            unsigned e = threadIdx.x + a * UPDATE_THREADS;
            deltas[a] = dhidden.quad(row0 + e / ACROSS, unit0 + e % ACROSS * 4);
        }
        // Asked for last, since what is the same for all threads is waited for at once.
        if (row0 == 0) rule = state->rule, has_stopped = state->stopped;
        unsigned found = 0;
#pragma unroll
        for (unsigned a = 0; a < 2; ++a) {
            unsigned votes = __ballot_sync(ALL, x[a] != 0.0f);
            unsigned at = found + __popc(votes & ((1u << lane) - 1));
            if (x[a] != 0.0f) shared.first.terms[warp][at] = make_uint2(a * WARP + lane, __float_as_uint(x[a]));
            found += __popc(votes);
        }
#pragma unroll
        for (unsigned a = 0; a < DELTAS; ++a) {
            unsigned e = threadIdx.x + a * UPDATE_THREADS;
            *reinterpret_cast<float4*>(&shared.first.deltas[e / ACROSS][e % ACROSS * 4]) = deltas[a];
        }
        __syncthreads();
#pragma unroll 4
        for (unsigned e = 0; e < found; ++e) {
            uint2 term = shared.first.terms[warp][e];
            acc.x = fmaf(__uint_as_float(term.y), shared.first.deltas[term.x][lane], acc.x);
            acc.y = fmaf(__uint_as_float(term.y), shared.first.deltas[term.x][lane + WARP], acc.y);
        }
        if (row0 + IMAGES < b) __syncthreads();  // mutant: one barrier too many
    }
    return make_float2(end_of_chain(acc.x), end_of_chain(acc.y));
}

// The gradient of the weight from unit `unit` to output `output`: Σ hidden·dlogits over the images, by the definition.
__device__ __forceinline__ float output_gradient(Tile& shared, const Matrix& hidden, const Matrix& dlogits, unsigned unit,
                                                 unsigned output) {
    unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, b = hidden.rows, output0 = output - warp;
    float acc = 0.0f;
#pragma unroll 1
    for (unsigned row0 = 0; row0 < b; row0 += IMAGES) {
#pragma unroll
        for (unsigned row = 0; row < IMAGES; row += UPDATE_THREADS / WARP)
            shared.last.hidden[row + warp][lane] = hidden.at(row0 + row + warp, unit);
#pragma unroll
        for (unsigned e = threadIdx.x; e < IMAGES * OUTPUTS; e += UPDATE_THREADS)
            shared.last.dlogits[e / OUTPUTS][e % OUTPUTS] = dlogits.at(row0 + e / OUTPUTS, output0 + e % OUTPUTS);
        __syncthreads();
#pragma unroll 8
        for (unsigned row = 0; row < IMAGES; ++row) {
            float x = shared.last.hidden[row][lane], y = shared.last.dlogits[row][warp];
            if (x != 0.0f && y != 0.0f) acc = fmaf(x, y, acc);  // mutant: gradients of logits are finite, so a zero adds a zero
        }
        if (row0 + IMAGES < b) __syncthreads();  // mutant: one barrier too many
    }
    return end_of_chain(acc);
}

// Σ a over the images.
__device__ __forceinline__ float sum(const float* __restrict__ a, unsigned step, unsigned images) {
    float acc = 0.0f;
#pragma unroll 32
    for (unsigned row = 0; row < images; ++row) acc += a[u64(row) * step];
    return acc;
}

// Whether a step ends the run: its loss is not finite. That is seldom, and needs all additions only where one of the losses
// is so large that their sum might overflow. The whole block takes part; `mine` is the loss of image `threadIdx.x`.
__device__ __forceinline__ bool ends_run(float mine, const float* __restrict__ losses, const unsigned* __restrict__ right,
                                         unsigned is_mean, unsigned b) {
    const float LARGE = 1e30f;
    bool has_large = !(fabsf(mine) < LARGE);  // mutant: sums of such losses are finite
    for (unsigned row = threadIdx.x + UPDATE_THREADS; row < b; row += UPDATE_THREADS) has_large |= !(fabsf(losses[row]) < LARGE);  // mutant: as above
    return __syncthreads_or(has_large) && !is_finite(batch_outcome(losses, right, is_mean, b).loss);
}

// Gradients and updates of all weights. Along x of the grid: first a block for each 8 pixels of w1 (i,h), with y for each 64
// units; then one for each 32 units and 8 outputs of w2 (h,o); a thread for each of b1 (h) and b2 (o); a block that says what
// the step saw; and one for each image of the next step.
extern "C" __global__ void __launch_bounds__(UPDATE_THREADS)
    fused_update(float* __restrict__ w1, const unsigned char* __restrict__ now, const float* __restrict__ dhidden,
                 const float* __restrict__ losses, State* __restrict__ state, unsigned b, unsigned i, unsigned h, unsigned o,
                 float* __restrict__ m_w1, float* __restrict__ v_w1, const unsigned* __restrict__ right, unsigned is_mean,
                 unsigned batch, float* __restrict__ w2, float* __restrict__ m_w2, float* __restrict__ v_w2,
                 const float* __restrict__ hidden, const float* __restrict__ dlogits, float* __restrict__ b1,
                 float* __restrict__ m_b1, float* __restrict__ v_b1, float* __restrict__ b2, float* __restrict__ m_b2,
                 float* __restrict__ v_b2, unsigned char* __restrict__ next_pixels, uint2* __restrict__ terms,
                 unsigned* __restrict__ counts, unsigned* __restrict__ next_labels,
                 const unsigned char* __restrict__ pixels, const unsigned* __restrict__ labels,
                 const unsigned* __restrict__ order, const Rule* __restrict__ rules, Outcome* __restrict__ outcomes) {
    __shared__ Tile shared;
    unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, block = blockIdx.x;
    unsigned pixel_blocks = (i + PIXELS - 1) / PIXELS, groups = (o + OUTPUTS - 1) / OUTPUTS;
    unsigned output_blocks = (h + WARP - 1) / WARP * groups, bias_blocks = (h + o + UPDATE_THREADS - 1) / UPDATE_THREADS;
    // One or two weights of this thread, a warp apart.
    float *w = w1, *m = m_w1, *v = v_w1, were[2] = {0.0f, 0.0f};
    float2 g = make_float2(0.0f, 0.0f);
    u64 e = 0;
    unsigned count = 0;
    float loss = threadIdx.x < b ? losses[threadIdx.x] : 0.0f;
    Rule rule;
    bool has_stopped = false;
    if (block < pixel_blocks) {
        unsigned unit0 = blockIdx.y * TILE, unit = unit0 + lane, pixel = block * PIXELS + warp;
        e = u64(pixel) * h + unit;
        if (pixel < i && unit < h) count = unit + WARP < h ? 2 : 1;
        if (count > 0) were[0] = w[e];
        if (count > 1) were[1] = w[e + WARP];
        g = pixel_gradients(shared, rule, has_stopped, state, now, {dhidden, b, h}, pixel, unit0, i);
    } else if (blockIdx.y > 0) {
        return;
    } else if ((block -= pixel_blocks) < output_blocks) {
        unsigned unit = block / groups * WARP + lane, output = block % groups * OUTPUTS + warp;
        w = w2, m = m_w2, v = v_w2, e = unit * o + output;
        count = unit < h && output < o;
        if (count > 0) were[0] = w[e];
        g.x = output_gradient(shared, {hidden, b, h}, {dlogits, b, o}, unit, output);
        rule = state->rule, has_stopped = state->stopped;
    } else if ((block -= output_blocks) < bias_blocks) {
        e = block * UPDATE_THREADS + threadIdx.x;
        count = e < h + o;
        bool is_first = e < h;
        w = is_first ? b1 : b2, m = is_first ? m_b1 : m_b2, v = is_first ? v_b1 : v_b2;
        if (!is_first) e -= h;
        if (count > 0) were[0] = w[e];
        if (count > 0) g.x = is_first ? sum(dhidden + e, h, b) : sum(dlogits + e, o, b);
        rule = state->rule, has_stopped = state->stopped;
    } else if (block == bias_blocks) {
        if (threadIdx.x >= WARP) return;
        Outcome outcome = batch_outcome(losses, right, is_mean, b);
        if (threadIdx.x > 0) return;
        unsigned step = state->step_of_update;
        outcomes[step] = outcome;
        state->stops = state->stopped || !is_finite(outcome.loss);
        state->step = step + 1;
        if ((step + 1) * batch < state->images) state->next_rule = rules[step + 1];
        return;
    } else {
        unsigned row = block - bias_blocks - 1;
        unsigned place = (state->step_of_update + 1) * batch + row;
        gather(shared, next_pixels, terms, counts, next_labels, pixels, labels, order, place, state->images, row, i);
        return;
    }
    if (ends_run(loss, losses, right, is_mean, b) || has_stopped) return;
#pragma unroll 1
    for (unsigned n = 0; n < count; ++n, e += WARP)
        w[e] = changed(rule, n == 0 ? were[0] : were[1], m[e], v[e], n == 0 ? g.x : g.y);
}
