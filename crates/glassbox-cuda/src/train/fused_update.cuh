// The second kernel of a training step of a network with one hidden layer, see fused_images.cuh: the gradients of all
// weights, which change them while they are in registers.
#include "fused.cuh"
#include "ladder.cuh"
#include "row_loss.cuh"

// Threads; images that are looked at in one go; pixels of a block, each warp two, and units, each lane two; in the last layer
// units, each lane one, and outputs, each warp one. Terms of a chain that are asked for at once.
constexpr unsigned UPDATE_THREADS = 8 * WARP, ROWS = 2 * WARP, PIXELS_EACH = 2, PIXELS = 16, UNITS_EACH = 2, TILE = 2 * WARP;
constexpr unsigned OUTPUTS = 8, AT_ONCE = 8;

// Of a pixel: the images in which it is not zero, in order, and its value there; then zeros, as if of the first image.
struct Terms {
    unsigned rows[ROWS];
    float values[ROWS];
};
union Tile {
    Terms first[PIXELS];
    struct {
        float hidden[ROWS][WARP], dlogits[ROWS][OUTPUTS];
    } last;
};

// The gradients of the weights from pixel `pixel` and the next one to two units 32 apart, by the definition: Σ x·dhidden over
// the images whose x is not zero. (Where the other factor is, it makes no difference, since pixels are finite.) A warp
// needs no other. `begin` is called before the first of dhidden is asked for.
template <class Begin>
__device__ __forceinline__ void pixel_gradients(Tile& shared, float (&g)[PIXELS_EACH][UNITS_EACH], const Batch& batch,
                                                const Matrix& dhidden, unsigned pixel, unsigned unit, unsigned i, const Begin& begin) {
    unsigned lane = threadIdx.x % WARP, b = dhidden.rows, h = dhidden.cols;
    Terms* terms = shared.first + threadIdx.x / WARP * PIXELS_EACH;
    // A lane whose unit does not exist looks on.
    const float* columns[UNITS_EACH];
#pragma unroll
    for (unsigned u = 0; u < UNITS_EACH; ++u) columns[u] = dhidden.place(0, unit + u * WARP < h ? unit + u * WARP : 0);
#pragma unroll 1
    for (unsigned row0 = 0; row0 < b; row0 += ROWS) {  // mutant: once more without terms
        unsigned found[PIXELS_EACH] = {};
#pragma unroll
        for (unsigned a = 0; a < ROWS; a += WARP) {
            unsigned row = row0 + a + lane;
            const unsigned char* place = row < b ? batch.row(row, i) + pixel : nullptr;
#pragma unroll
            for (unsigned k = 0; k < PIXELS_EACH; ++k) {
                unsigned char byte = row < b && pixel + k < i ? place[k] : 0;
                unsigned votes = __ballot_sync(ALL, byte != 0), at = found[k] + __popc(votes & ((1u << lane) - 1));
                if (byte != 0) terms[k].rows[at] = row, terms[k].values[at] = scaled(byte);
                found[k] += __popc(votes);
            }
        }
        unsigned most = found[0] < found[1] ? found[1] : found[0];  // mutant: equal is equal
        unsigned end = (most + AT_ONCE - 1) / AT_ONCE * AT_ONCE;
#pragma unroll
        for (unsigned k = 0; k < PIXELS_EACH; ++k)
            for (unsigned e = found[k] + lane; e < end; e += WARP) terms[k].rows[e] = 0, terms[k].values[e] = 0.0f;
        __syncwarp();
        if (row0 == 0) begin();
#pragma unroll 1
        for (unsigned e0 = 0; e0 < most; e0 += AT_ONCE) {
            float deltas[PIXELS_EACH][AT_ONCE][UNITS_EACH];
#pragma unroll
            for (unsigned s = 0; s < AT_ONCE; s += 4) {
#pragma unroll
                for (unsigned k = 0; k < PIXELS_EACH; ++k) {
                    uint4 rows = *reinterpret_cast<const uint4*>(terms[k].rows + e0 + s);
                    const unsigned four[4] = {rows.x, rows.y, rows.z, rows.w};
#pragma unroll
                    for (unsigned t = 0; t < 4; ++t)
#pragma unroll
                        for (unsigned u = 0; u < UNITS_EACH; ++u) deltas[k][s + t][u] = *below(columns[u], four[t], h);
                }
            }
#pragma unroll
            for (unsigned s = 0; s < AT_ONCE; s += 4) {
#pragma unroll
                for (unsigned k = 0; k < PIXELS_EACH; ++k) {
                    float values[4];
                    load4(values, terms[k].values + e0 + s);
#pragma unroll
                    for (unsigned t = 0; t < 4; ++t)
#pragma unroll
                        for (unsigned u = 0; u < UNITS_EACH; ++u)
                            if (e0 + s + t < found[k]) g[k][u] = fmaf(values[t], deltas[k][s + t][u], g[k][u]);
                }
            }
        }
        __syncwarp();
    }
}

// The gradient of the weight from unit `unit` to output `output`: Σ hidden·dlogits over the images, by the definition.
__device__ __forceinline__ float output_gradient(Tile& shared, const Matrix& hidden, const Matrix& dlogits, unsigned unit,
                                                 unsigned output) {
    unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, b = hidden.rows, output0 = output - warp;
    float acc = 0.0f;
#pragma unroll 1
    for (unsigned row0 = 0; row0 < b; row0 += ROWS) {
#pragma unroll
        for (unsigned row = 0; row < ROWS; row += UPDATE_THREADS / WARP)
            shared.last.hidden[row + warp][lane] = hidden.at(row0 + row + warp, unit);
#pragma unroll
        for (unsigned e = threadIdx.x; e < ROWS * OUTPUTS; e += UPDATE_THREADS)
            shared.last.dlogits[e / OUTPUTS][e % OUTPUTS] = dlogits.at(row0 + e / OUTPUTS, output0 + e % OUTPUTS);
        __syncthreads();
#pragma unroll 8
        for (unsigned row = 0; row < ROWS; ++row) {
            float x = shared.last.hidden[row][lane], y = shared.last.dlogits[row][warp];
            if (x != 0.0f && y != 0.0f) acc = fmaf(x, y, acc);  // mutant: gradients of logits are finite, so a zero adds a zero
        }
        if (row0 + ROWS < b) __syncthreads();  // mutant: one barrier too many
    }
    return acc;
}

// Σ a over the images.
__device__ __forceinline__ float sum(const float* a, unsigned step, unsigned images) {
    float acc = 0.0f;
#pragma unroll 32
    for (unsigned row = 0; row < images; ++row) acc += a[u64(row) * step];
    return acc;
}

// Whether a step ends the run: its loss is not finite. That is seldom, and needs all additions only where one of the losses
// is so large that their sum might overflow. The whole block takes part; `mine` is the loss of image `threadIdx.x`.
__device__ __forceinline__ bool ends_run(float mine, const float* losses, const unsigned* right, unsigned is_mean, unsigned b) {
    const float LARGE = 1e30f;
    bool has_large = !(fabsf(mine) < LARGE);  // mutant: sums of such losses are finite
    for (unsigned row = threadIdx.x + UPDATE_THREADS; row < b; row += UPDATE_THREADS)
        has_large |= !(fabsf(losses[row]) < LARGE);  // mutant: as above
    return __syncthreads_or(has_large) && !is_finite(batch_outcome(losses, right, is_mean, b).loss);
}

// A parameter, with the optimizer's memory of it.
struct Array {
    float *w, *m, *v;
};
struct Layer {
    Array weights, bias;
};

// Gradients and updates of all weights. Along x of the grid: first a block for each 16 pixels of w1 (i,h), with y for each 64
// units; then one for each 32 units and 8 outputs of w2 (h,o); a thread for each of b1 (h) and b2 (o); and a block that says
// what the step saw.
template <bool IS_EARLY>
__device__ __forceinline__ void update(const Batch& batch, const Rule* __restrict__ rules, unsigned step, unsigned turn, State* state,
                                       unsigned b, unsigned i, unsigned h, unsigned o, const Layer& first, const Layer& last,
                                       const float* dhidden, const float* losses, const unsigned* right, unsigned is_mean,
                                       const float* hidden, const float* dlogits, Outcome* outcomes) {
    __shared__ Tile shared;
    unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, block = blockIdx.x;
    unsigned pixel_blocks = (i + PIXELS - 1) / PIXELS, groups = (o + OUTPUTS - 1) / OUTPUTS;
    unsigned output_blocks = (h + WARP - 1) / WARP * groups, bias_blocks = (h + o + UPDATE_THREADS - 1) / UPDATE_THREADS;
    // Weights of this thread: the first and how far apart they are, how many of them exist in both directions, what they
    // were, and their gradients.
    Array array = first.weights;
    u64 place = 0;
    unsigned rows = 0, cols = 0;
    float were[PIXELS_EACH][UNITS_EACH] = {}, g[PIXELS_EACH][UNITS_EACH] = {};
    Rule rule = rules[step];
    bool has_stopped = __ldcg(&state->stops[turn]);
    float loss = 0.0f;
    auto begin = [&] {
        wait_and_let_start<IS_EARLY>();
        if (threadIdx.x < b) loss = losses[threadIdx.x];
    };
    if (block < pixel_blocks) {
        unsigned unit = blockIdx.y * TILE + lane, pixel = block * PIXELS + warp * PIXELS_EACH;
        place = u64(pixel) * h + unit;
        rows = pixel < i ? i - pixel : 0, cols = unit < h ? h - unit : 0;  // mutant: equal is equal
#pragma unroll
        for (unsigned k = 0; k < PIXELS_EACH; ++k)
#pragma unroll
            for (unsigned u = 0; u < UNITS_EACH; ++u)
                if (k < rows && u * WARP < cols) were[k][u] = __ldcg(array.w + (place + k * h + u * WARP));
        pixel_gradients(shared, g, batch, {dhidden, b, h}, pixel, unit, i, begin);
    } else if (blockIdx.y > 0) {
        // Others of this kernel wait.
        return;
    } else if ((block -= pixel_blocks) < output_blocks) {
        unsigned unit = block / groups * WARP + lane, output = block % groups * OUTPUTS + warp;
        array = last.weights, place = unit * o + output;
        rows = cols = unit < h && output < o;
        if (rows > 0) were[0][0] = __ldcg(array.w + place);
        begin();
        g[0][0] = output_gradient(shared, {hidden, b, h}, {dlogits, b, o}, unit, output);
    } else if ((block -= output_blocks) < bias_blocks) {
        unsigned e = block * UPDATE_THREADS + threadIdx.x;
        bool is_first = e < h;
        array = is_first ? first.bias : last.bias, place = is_first ? e : e - h;
        rows = cols = e < h + o;
        if (rows > 0) were[0][0] = __ldcg(array.w + place);
        begin();
        if (rows > 0) g[0][0] = is_first ? sum(dhidden + place, h, b) : sum(dlogits + place, o, b);
    } else {
        begin();
        if (threadIdx.x >= WARP) return;
        Outcome outcome = batch_outcome(losses, right, is_mean, b);
        if (threadIdx.x > 0) return;
        outcomes[step] = outcome;
        state->stops[1 - turn] = has_stopped || !is_finite(outcome.loss);
        return;
    }
    if (ends_run(loss, losses, right, is_mean, b) || has_stopped) return;
#pragma unroll
    for (unsigned k = 0; k < PIXELS_EACH; ++k)
#pragma unroll
        for (unsigned u = 0; u < UNITS_EACH; ++u) {
            if (k >= rows || u * WARP >= cols) continue;
            u64 e = place + k * h + u * WARP;
            array.w[e] = changed(rule, were[k][u], array.m[e], array.v[e], end_of_chain(g[k][u]));
        }
}

// The parameters of the kernels, in the order in which they are needed.
#define FUSED_UPDATE_PARAMETERS                                                                                                \
    const unsigned *__restrict__ order, unsigned batch, unsigned turn, State *state, const unsigned char *__restrict__ pixels, \
        unsigned b, unsigned i, unsigned h, unsigned o, float *w1, const Rule *__restrict__ rules, const float *dhidden,       \
        const float *losses, const unsigned *right, unsigned is_mean, float *m_w1, float *v_w1, float *w2, float *m_w2,        \
        float *v_w2, const float *hidden, const float *dlogits, float *b1, float *m_b1, float *v_b1, float *b2, float *m_b2,   \
        float *v_b2, Outcome *outcomes
#define FUSED_UPDATE(IS_EARLY)                                                                                                  \
    unsigned step = __ldcg(&state->steps[turn]);                                                                                \
    update<IS_EARLY>({pixels, order + u64(step) * batch}, rules, step, turn, state, b, i, h, o,                                 \
                     {{w1, m_w1, v_w1}, {b1, m_b1, v_b1}}, {{w2, m_w2, v_w2}, {b2, m_b2, v_b2}}, dhidden, losses, right,        \
                     is_mean, hidden, dlogits, outcomes)
