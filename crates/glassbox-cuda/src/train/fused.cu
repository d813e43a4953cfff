// A training step of a network with one hidden layer in two kernels, with the bits of the same step operation by
// operation. The first takes an image a block through the network, forward and back, and ends with the gradients of what
// the layers gave. The second computes the gradients of all weights, which change them while they are in registers, and
// fetches the images of the next step.
//
// Between them lies what every block has to wait for: the weights are read by one kernel and changed by the other.
//
// A step is little arithmetic and much waiting: an answer of memory takes as long as a hundred multiply-adds, and one
// thread alone runs along each chain of additions. So a block asks at once for all that it will need, chains run in shared
// memory, and what counts is how few instructions they take.
#include "ladder.cuh"
#include "row_loss.cuh"

constexpr unsigned WARP = 32, ALL = 0xffffffffu;

// A byte divided by 255, rounded as the division rounds it: true for all 256: glassbox-cpu/src/fast/vector/bytes.rs
// tests the same formula.
__device__ __forceinline__ float scaled(unsigned char pixel) {
    const float INVERSE = 1.0f / 255.0f, INVERSE_LOW = float(1.0 / 255.0 - double(INVERSE));
    float x = float(pixel);
    return fmaf(x, INVERSE, x * INVERSE_LOW);
}

// The first kernel: threads, pixels that are looked at in one go, each thread two, and a tile of weights: rows of w1, each
// warp four, by units, each lane four.
constexpr unsigned THREADS = 512, WARPS = THREADS / WARP, EACH = 2, SEGMENT = EACH * THREADS;
constexpr unsigned ROWS_EACH = 4, ROWS = ROWS_EACH * WARPS, UNITS = 4 * WARP;

// Chains run in steps of so many terms, of which the last ones may be zeros: long ones, since a step begins with waiting
// for shared memory.
constexpr unsigned STEP = 32;
static_assert(ROWS % STEP == 0 && SEGMENT % STEP == 0 && UNITS % STEP == 0, "no step runs over an end");

// Rows of w2 lie turned in shared memory, four apart in its banks. Each warp copies so many of UNITS.
constexpr unsigned TURNED = UNITS + 4, TURNED_EACH = UNITS / WARPS;

// The most that fused.rs lets in: units, and outputs, of which a lane has one.
constexpr unsigned MOST_UNITS = 1024, MOST_OUTPUTS = WARP;
static_assert(MOST_OUTPUTS * TURNED <= ROWS * UNITS, "both use the same room");

struct Shared {
    __align__(16) float weights[ROWS * UNITS];
    // The pixels of the image that are not zero, in order, and where they are.
    __align__(16) float values[SEGMENT];
    unsigned short places[SEGMENT];
    // What the units are given, and what they give.
    float before[MOST_UNITS];
    __align__(16) float units[MOST_UNITS];
    // The gradients of the logits; the loss is ln(sum) − distance.
    __align__(16) float d[MOST_OUTPUTS];
    float sum, distance;
    unsigned counts[WARPS];
};

// Lists the pixels from `first` on that are not zero, by the whole block, and returns how many they are. A thread looks at
// neighbours; of each a vote tells a warp how many come before a thread's own, and counts how many before the warp's.
__device__ __forceinline__ unsigned list(Shared& to, const unsigned char* image, unsigned first, unsigned i) {
    unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, before = 0, own = 0;
    float x[EACH];
#pragma unroll
    for (unsigned a = 0; a < EACH; ++a) {
        unsigned place = first + EACH * threadIdx.x + a;
        x[a] = place < i ? scaled(image[place]) : 0.0f;
    }
#pragma unroll
    for (unsigned a = 0; a < EACH; ++a) {
        unsigned votes = __ballot_sync(ALL, x[a] != 0.0f);
        before += __popc(votes & ((1u << lane) - 1));
        own += __popc(votes);
    }
    if (lane == 0) to.counts[warp] = own;
    __syncthreads();
    unsigned found = 0;
#pragma unroll
    for (unsigned w = 0; w < WARPS; ++w) {
        before += w < warp ? to.counts[w] : 0;
        found += to.counts[w];
    }
#pragma unroll
    for (unsigned a = 0; a < EACH; ++a) {
        if (x[a] == 0.0f) continue;
        to.places[before] = EACH * threadIdx.x + a;
        to.values[before] = x[a];
        ++before;
    }
    unsigned end = (found + STEP - 1) / STEP * STEP;
    if (found + threadIdx.x < end) to.values[found + threadIdx.x] = 0.0f;
    __syncthreads();
    return found;
}

// The rows of w1 that belong to the pixels from e0 on in the list: what this thread copies of them, and where.
struct Ahead {
    float4 rows[ROWS_EACH];

    // Pixels are counted from `first`, and this thread has the units from `unit` on.
    __device__ __forceinline__ void fetch(const Shared& shared, const Matrix& w1, unsigned e0, unsigned found, unsigned first,
                                          unsigned unit) {
        if (e0 >= found) return;
        unsigned end = unit < w1.cols ? found : 0, e = e0 + threadIdx.x / WARP;
        bool is_aligned = w1.is_aligned();
        const float* column = w1.place(first, unit);
#pragma unroll
        for (unsigned a = 0; a < ROWS_EACH; ++a) {
            rows[a] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
            if (is_aligned && e + a * WARPS < end) rows[a] = *below(column, shared.places[e + a * WARPS], w1.cols);
        }
        if (is_aligned) return;
#pragma unroll 1
        for (unsigned a = 0; a < ROWS_EACH; ++a) {
            float4 row = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
            if (e + a * WARPS < end) row = w1.quad(first + shared.places[e + a * WARPS], unit);
#pragma unroll
            for (unsigned to = 0; to < ROWS_EACH; ++to) {
                if (to == a) rows[to] = row;
            }
        }
    }

    // Four numbers so many rows below, in one multiplication.
    __device__ __forceinline__ static const float4* below(const float* column, unsigned rows, unsigned cols) {
        const char* bytes = reinterpret_cast<const char*>(column) + u64(rows) * (unsigned(sizeof(float)) * cols);
        return reinterpret_cast<const float4*>(bytes);
    }

    __device__ __forceinline__ void put(Shared& shared) const {
        unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
#pragma unroll
        for (unsigned a = 0; a < ROWS_EACH; ++a)
            *reinterpret_cast<float4*>(&shared.weights[(warp + a * WARPS) * UNITS + 4 * lane]) = rows[a];
    }
};

// A unit's chain over the rows that are there, from e0 on in the list.
__device__ __forceinline__ float run(float acc, const Shared& shared, unsigned e0, unsigned found) {
    unsigned terms = found - e0 < ROWS ? found - e0 : ROWS;
    for (unsigned e = 0; e < terms; e += STEP) {
        float x[STEP];
#pragma unroll
        for (unsigned s = 0; s < STEP; s += 4) load4(x + s, shared.values + e0 + e + s);
#pragma unroll
        for (unsigned s = 0; s < STEP; ++s) acc = fmaf(x[s], shared.weights[(e + s) * UNITS + threadIdx.x], acc);
    }
    return acc;
}

// The hidden layer of an image, which pixels and weights of zero leave as they are: units = f(before), before =
// image·w1 + b1, with zeros behind the last unit.
//
// A chain may end as −0 here and below: the sign of a zero among activations and their gradients is seen by nobody, since
// terms with a factor of zero are left out of every sum that follows.
__device__ __forceinline__ void hidden_layer(Shared& shared, const unsigned char* image, const Matrix& w1, const float* b1,
                                             unsigned kind, float slope) {
    unsigned lane = threadIdx.x % WARP, i = w1.rows, h = w1.cols;
    for (unsigned unit0 = 0; unit0 < h; unit0 += UNITS) {
        unsigned unit = unit0 + threadIdx.x;
        bool has_unit = threadIdx.x < UNITS && unit < h;
        float acc = 0.0f, bias = has_unit ? b1[unit] : 0.0f;
        for (unsigned first = 0; first < i; first += SEGMENT) {
            unsigned found = list(shared, image, first, i);
            // Memory answers two tiles later.
            Ahead tiles[2];
            unsigned mine = unit0 + 4 * lane;
            tiles[0].fetch(shared, w1, 0, found, first, mine);
            tiles[1].fetch(shared, w1, ROWS, found, first, mine);
            for (unsigned e0 = 0; e0 < found; e0 += 2 * ROWS) {
#pragma unroll
                for (unsigned t = 0; t < 2; ++t) {
                    unsigned at = e0 + t * ROWS;
                    if (at >= found) break;
                    tiles[t].put(shared);
                    __syncthreads();
                    tiles[t].fetch(shared, w1, at + 2 * ROWS, found, first, mine);
                    if (threadIdx.x < UNITS) acc = run(acc, shared, at, found);
                    __syncthreads();
                }
            }
        }
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
        unsigned lane = threadIdx.x % WARP, p = p0 + threadIdx.x / WARP, step = WARPS * w2.cols;
        const float* from = w2.start + p * w2.cols + lane;
#pragma unroll
        for (unsigned a = 0; a < TURNED_EACH; ++a)
            column[a] = lane < w2.cols && p + a * WARPS < w2.rows ? from[a * step] : 0.0f;
    }

    __device__ __forceinline__ void put(Shared& shared) const {
        unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
#pragma unroll
        for (unsigned a = 0; a < TURNED_EACH; ++a) shared.weights[lane * TURNED + warp + a * WARPS] = column[a];
    }
};

// One image a block: hidden (b,h) = f(x·w1 + b1), dlogits (b,o) of logits hidden·w2 + b2, losses and answers (b), and
// dhidden (b,h) = dlogits·w2ᵀ times f′. The image is row `blockIdx.x` of `next` (b,i), and copied to `now`.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    fused_images(unsigned char* __restrict__ now, float* __restrict__ hidden, float* __restrict__ dlogits,
                 float* __restrict__ dhidden, float* __restrict__ losses, unsigned* __restrict__ right,
                 const unsigned char* __restrict__ next, const unsigned* __restrict__ next_labels, const float* __restrict__ w1,
                 const float* __restrict__ b1, const float* __restrict__ w2, const float* __restrict__ b2,
                 State* __restrict__ state, float scale, unsigned kind, float slope, unsigned i, unsigned h, unsigned o) {
    __shared__ Shared shared;
    const Matrix second = {w2, h, o};
    unsigned row = blockIdx.x, lane = threadIdx.x % WARP;
    const unsigned char* image = next + u64(row) * i;
    // These answers are there when the hidden layer is done.
    AheadTurned ahead;
    ahead.fetch(second, 0);
    float bias = lane < o ? b2[lane] : 0.0f;
    unsigned label = next_labels[row];

    hidden_layer(shared, image, {w1, i, h}, b1, kind, slope);

    float logit = 0.0f;
    for (unsigned p0 = 0; p0 < h; p0 += UNITS) {
        if (p0 > 0) ahead.fetch(second, p0);
        ahead.put(shared);
        __syncthreads();
        unsigned terms = h - p0 < UNITS ? h - p0 : UNITS;
        for (unsigned p = 0; threadIdx.x < WARP && p < terms; p += STEP) {
            float x[STEP], w[STEP];
#pragma unroll
            for (unsigned s = 0; s < STEP; s += 4) {
                load4(x + s, shared.units + p0 + p + s);
                load4(w + s, shared.weights + lane * TURNED + p + s);
            }
#pragma unroll
            for (unsigned s = 0; s < STEP; ++s) logit = fmaf(x[s], w[s], logit);
        }
        if (p0 + UNITS < h) __syncthreads();
    }
    // One warp runs along the chains of the outputs. What does not depend on them is for the others.
    if (threadIdx.x >= WARP) {
        for (unsigned p = threadIdx.x - WARP; p < i; p += THREADS - WARP) now[u64(row) * i + p] = image[p];
        for (unsigned p = threadIdx.x - WARP; p < h; p += THREADS - WARP) hidden[u64(row) * h + p] = shared.units[p];
        if (row == 0 && threadIdx.x == THREADS - 1) {
            unsigned step = state->step, stops = state->stops;
            Rule rule = state->next_rule;
            state->step_of_update = step;
            state->stopped = stops;
            state->rule = rule;
        }
    } else {
        if (lane < o && !is_finite(logit)) logit = chain(shared.units, 1, w2 + lane, o, h);
        LaneLoss seen = lane_loss(logit + bias, label, scale, o);
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
    for (unsigned p0 = 0; p0 < h; p0 += UNITS) {
        if (h > UNITS) {
            ahead.fetch(second, p0);
            __syncthreads();
            ahead.put(shared);
            __syncthreads();
        }
        unsigned p = p0 + threadIdx.x;
        if (threadIdx.x < UNITS && p < h) {
            float dy = 0.0f;
            for (unsigned j = 0; j < o; j += 4) {
                float x[4];
                load4(x, shared.d + j);
#pragma unroll
                for (unsigned s = 0; s < 4; ++s) dy = fmaf(x[s], shared.weights[(j + s) * TURNED + threadIdx.x], dy);
            }
            if (!is_finite(dy)) dy = chain(shared.d, 1, shared.weights + threadIdx.x, TURNED, o);
            dhidden[u64(row) * h + p] = activate_backward(kind, slope, dy, shared.before[p], shared.units[p]);
        }
    }
}

// The image at `place` of the order becomes row `row` of next (batch,i), if the run is that long. The whole block takes
// part.
__device__ __forceinline__ void gather(unsigned char* __restrict__ next, unsigned* __restrict__ next_labels,
                                       const unsigned char* __restrict__ pixels, const unsigned* __restrict__ labels,
                                       const unsigned* __restrict__ order, unsigned place, unsigned images, unsigned row,
                                       unsigned i) {
    if (place >= images) return;
    unsigned image = order[place];
    if (threadIdx.x == 0) next_labels[row] = labels[image];
#pragma unroll 4
    for (unsigned p = threadIdx.x; p < i; p += blockDim.x) next[u64(row) * i + p] = pixels[u64(image) * i + p];
}

// The images of the first step of a run, and its rule: a block an image.
extern "C" __global__ void fused_first(unsigned char* __restrict__ next, unsigned* __restrict__ next_labels,
                                       const unsigned char* __restrict__ pixels, const unsigned* __restrict__ labels,
                                       const unsigned* __restrict__ order, const Rule* __restrict__ rules, State* __restrict__ state,
                                       unsigned i) {
    if (blockIdx.x == 0 && threadIdx.x == 0) state->next_rule = rules[0];
    gather(next, next_labels, pixels, labels, order, blockIdx.x, state->images, blockIdx.x, i);
}

// The second kernel: pixels of a block, each warp one, and units, each lane two; images that are looked at in one go.
constexpr unsigned PIXELS = 8, TILE = 2 * WARP, IMAGES = 64, UPDATE_THREADS = PIXELS * WARP;
constexpr unsigned DELTAS = IMAGES * TILE / 4 / UPDATE_THREADS, ACROSS = TILE / 4;

struct Tile {
    // dhidden of the images.
    __align__(16) float deltas[IMAGES][TILE];
    // Of each pixel: the images in which it is not zero, in order, and its value there.
    uint2 terms[PIXELS][IMAGES];
};

// The gradients of the weights from pixel `pixel` to two units 32 apart, by the definition: Σ x·dhidden over the images
// whose x is not zero. (Where the other factor is, it makes no difference, since pixels are finite.)
__device__ __forceinline__ float2 pixel_gradients(Tile& shared, Rule& rule, const State* state, const unsigned char* now,
                                                  const Matrix& dhidden, unsigned pixel, unsigned unit0, unsigned i) {
    unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, b = dhidden.rows;
    float2 acc = make_float2(0.0f, 0.0f);
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
        if (row0 == 0) rule = state->rule;
        unsigned found = 0;
#pragma unroll
        for (unsigned a = 0; a < 2; ++a) {
            unsigned votes = __ballot_sync(ALL, x[a] != 0.0f);
            unsigned at = found + __popc(votes & ((1u << lane) - 1));
            if (x[a] != 0.0f) shared.terms[warp][at] = make_uint2(a * WARP + lane, __float_as_uint(x[a]));
            found += __popc(votes);
        }
#pragma unroll
        for (unsigned a = 0; a < DELTAS; ++a) {
            unsigned e = threadIdx.x + a * UPDATE_THREADS;
            *reinterpret_cast<float4*>(&shared.deltas[e / ACROSS][e % ACROSS * 4]) = deltas[a];
        }
        __syncthreads();
#pragma unroll 4
        for (unsigned e = 0; e < found; ++e) {
            uint2 term = shared.terms[warp][e];
            acc.x = fmaf(__uint_as_float(term.y), shared.deltas[term.x][lane], acc.x);
            acc.y = fmaf(__uint_as_float(term.y), shared.deltas[term.x][lane + WARP], acc.y);
        }
        if (row0 + IMAGES < b) __syncthreads();
    }
    return make_float2(end_of_chain(acc.x), end_of_chain(acc.y));
}

// Σ a·b over the images, by the definition.
__device__ __forceinline__ float product(const float* __restrict__ a, unsigned a_step, const float* __restrict__ b,
                                         unsigned b_step, unsigned images) {
    float acc = 0.0f;
#pragma unroll 32
    for (unsigned row = 0; row < images; ++row) {
        float x = a[u64(row) * a_step], y = b[u64(row) * b_step];
        if (x != 0.0f && y != 0.0f) acc = fmaf(x, y, acc);
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
    bool has_large = !(fabsf(mine) < LARGE);
    for (unsigned row = threadIdx.x + UPDATE_THREADS; row < b; row += UPDATE_THREADS) has_large |= !(fabsf(losses[row]) < LARGE);
    return __syncthreads_or(has_large) && !is_finite(batch_outcome(losses, right, is_mean, b).loss);
}

// Gradients and updates of all weights. Along x of the grid: first a block for each 8 pixels of w1 (i,h), with y for each 64
// units; then a thread for each element of w2 (h,o), b1 (h) and b2 (o); a block that says what the step saw; and one for each
// image of the next step.
extern "C" __global__ void __launch_bounds__(UPDATE_THREADS)
    fused_update(float* __restrict__ w1, float* __restrict__ m_w1, float* __restrict__ v_w1, float* __restrict__ b1,
                 float* __restrict__ m_b1, float* __restrict__ v_b1, float* __restrict__ w2, float* __restrict__ m_w2,
                 float* __restrict__ v_w2, float* __restrict__ b2, float* __restrict__ m_b2, float* __restrict__ v_b2,
                 const unsigned char* __restrict__ now, const float* __restrict__ hidden, const float* __restrict__ dhidden,
                 const float* __restrict__ dlogits, const float* __restrict__ losses, const unsigned* __restrict__ right,
                 unsigned char* __restrict__ next, unsigned* __restrict__ next_labels, const unsigned char* __restrict__ pixels,
                 const unsigned* __restrict__ labels, const unsigned* __restrict__ order, const Rule* __restrict__ rules,
                 State* __restrict__ state, Outcome* __restrict__ outcomes, unsigned is_mean, unsigned batch, unsigned b, unsigned i, unsigned h,
                 unsigned o) {
    __shared__ Tile shared;
    unsigned tiles = (i + PIXELS - 1) / PIXELS, others = (h * o + h + o + UPDATE_THREADS - 1) / UPDATE_THREADS;
    if (blockIdx.x < tiles) {
        unsigned unit0 = blockIdx.y * TILE, unit = unit0 + threadIdx.x % WARP, pixel = blockIdx.x * PIXELS + threadIdx.x / WARP;
        bool has[2] = {pixel < i && unit < h, pixel < i && unit + WARP < h};
        u64 e = u64(pixel) * h + unit;
        float w[2] = {has[0] ? w1[e] : 0.0f, has[1] ? w1[e + WARP] : 0.0f};
        float loss = threadIdx.x < b ? losses[threadIdx.x] : 0.0f;
        Rule rule;
        float2 g = pixel_gradients(shared, rule, state, now, {dhidden, b, h}, pixel, unit0, i);
        if (ends_run(loss, losses, right, is_mean, b) || state->stopped) return;
        if (has[0]) w1[e] = changed(rule, w[0], m_w1[e], v_w1[e], g.x);
        if (has[1]) w1[e + WARP] = changed(rule, w[1], m_w1[e + WARP], v_w1[e + WARP], g.y);
        return;
    }
    if (blockIdx.y > 0) return;
    if (blockIdx.x > tiles + others) {
        unsigned row = blockIdx.x - tiles - others - 1;
        gather(next, next_labels, pixels, labels, order, (state->step_of_update + 1) * batch + row, state->images, row, i);
        return;
    }
    if (blockIdx.x == tiles + others) {
        if (threadIdx.x >= WARP) return;
        Outcome outcome = batch_outcome(losses, right, is_mean, b);
        if (threadIdx.x > 0) return;
        unsigned step = state->step_of_update;
        outcomes[step] = outcome;
        state->stops = state->stopped || !is_finite(outcome.loss);
        state->step = step + 1;
        if ((step + 1) * batch < state->images) state->next_rule = rules[step + 1];
        return;
    }
    unsigned e = (blockIdx.x - tiles) * UPDATE_THREADS + threadIdx.x;
    float g = 0.0f;
    if (e < h * o) {
        g = product(hidden + e / o, h, dlogits + e % o, o, b);
    } else if (e - h * o < h) {
        g = sum(dhidden + (e - h * o), h, b);
    } else if (e - h * o - h < o) {
        g = sum(dlogits + (e - h * o - h), o, b);
    }
    Rule rule = state->rule;
    float loss = threadIdx.x < b ? losses[threadIdx.x] : 0.0f;
    if (ends_run(loss, losses, right, is_mean, b) || state->stopped) return;
    if (e < h * o) {
        w2[e] = changed(rule, w2[e], m_w2[e], v_w2[e], g);
    } else if (e - h * o < h) {
        e -= h * o;
        b1[e] = changed(rule, b1[e], m_b1[e], v_b1[e], g);
    } else if (e - h * o - h < o) {
        e -= h * o + h;
        b2[e] = changed(rule, b2[e], m_b2[e], v_b2[e], g);
    }
}
