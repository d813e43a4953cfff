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

// What the kernels have of the images of the step to come, row by row: the pixels (b,i), of these the ones that are not zero,
// in order, each its place and its value (b,i), and their number (b), and the label (b).
struct Batch {
    const unsigned char* pixels;
    const uint2* terms;
    const unsigned* counts;
    const unsigned* labels;
};

// The first kernel: threads, pixels that are looked at in one go, and a tile of weights: rows of w1, each warp eight, by
// units, each lane four.
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
        if (e0 >= found) return;
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
        bool has_unit = threadIdx.x < UNITS && unit < h;
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
            unsigned found = all - first < SEGMENT ? all - first : SEGMENT;
            // Memory answers two tiles later.
            Ahead<IS_ALIGNED> tiles[2];
            tiles[0].fetch(shared, w1, 0, found, mine);
            tiles[1].fetch(shared, w1, ROWS, found, mine);
            if (first == 0 && has_unit) bias = b1[unit];
            if (first == 0 && unit0 == 0) meanwhile();
#pragma unroll 1
            for (unsigned e0 = 0; e0 < found; e0 += 2 * ROWS) {
#pragma unroll
                for (unsigned t = 0; t < 2; ++t) {
                    unsigned at = e0 + t * ROWS;
                    if (at >= found) break;
                    tiles[t].put(shared);
                    __syncthreads();
                    tiles[t].fetch(shared, w1, at + 2 * ROWS, found, mine);
                    if (threadIdx.x < UNITS) {
                        acc = run(acc, found - at < ROWS ? found - at : ROWS, [&](float* x, float* w, unsigned p) {
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
        } while (first < all);
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
            if (lane < outputs) shared.weights[lane * TURNED + warp + a * WARPS] = column[a];
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
        if (threadIdx.x < WARP) {
            logit = run(logit, h - p0 < UNITS ? h - p0 : UNITS, [&](float* x, float* w, unsigned p) {
                const float *units = shared.units + p0 + p, *column = shared.weights + (lane < o ? lane : 0) * TURNED + p;
#pragma unroll
                for (unsigned s = 0; s < STEP; s += 4) {
                    load4(x + s, units + s);
                    load4(w + s, column + s);
                }
            });
        }
        if (p0 + UNITS < h) __syncthreads();
    }
    // One warp runs along the chains of the outputs. What does not depend on them is for the others.
    if (threadIdx.x >= WARP) {
        const unsigned OTHERS = THREADS - WARP, ASKED = 4;
        for (unsigned p = threadIdx.x - WARP; p < i; p += ASKED * OTHERS) {
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
    for (unsigned p0 = 0; p0 < h; p0 += UNITS) {
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

// The second kernel: threads; images that are looked at in one go; pixels of a block, each warp one, and units, each lane
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
        if (first + EACH * UPDATE_THREADS < i) __syncthreads();
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
        if (row0 + IMAGES < b) __syncthreads();
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
            if (x != 0.0f && y != 0.0f) acc = fmaf(x, y, acc);
        }
        if (row0 + IMAGES < b) __syncthreads();
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
