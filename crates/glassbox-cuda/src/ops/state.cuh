// What the kernels of a training step read and write beside weights and activations. Nothing that changes from step to
// step is an argument, but for whether its number is even, so that one recorded graph serves all steps.
#pragma once

#include "activation.cuh"
#include "optim.cuh"

// How weights change in one step.
struct Rule {
    // SGD, MOMENTUM, NESTEROV or ADAM.
    unsigned kind;
    // Added to the gradient, times the weight.
    float decay;
    // The learning rate and μ, or the six numbers of AdamStep.
    float numbers[6];
};

enum RuleKind : unsigned { SGD, MOMENTUM_RULE, NESTEROV_RULE, ADAM };

// Where the run of steps is.
struct State {
    // Operation by operation: the step about to be made, counted from the first of the run, the step whose weights are about
    // to change, and 1 after a step whose loss was not finite, when nothing changes any more.
    unsigned step, step_of_update, stopped;
    // The first step of the run, counted over the whole training: dropout depends on it.
    unsigned first_step;
    // In two kernels: the step, and 1 after one whose loss was not finite. Step n reads number n % 2 of each and writes the
    // other, for step n + 1, so that no block reads what another one writes.
    unsigned steps[2], stops[2];
};

// What a step saw.
struct Outcome {
    float loss;
    unsigned correct;
};

// A weight after a step, with the optimizer's memory of it.
__device__ __forceinline__ float changed(const Rule& rule, float w, float& m, float& v, float g) {
    if (rule.decay != 0.0f) g = fmaf(rule.decay, w, g);
    const float* x = rule.numbers;
    if (rule.kind == SGD) return sgd_step(w, g, x[0]);
    if (rule.kind == MOMENTUM_RULE) return momentum_step(w, m, g, x[0], x[1]);
    if (rule.kind == NESTEROV_RULE) return nesterov_step(w, m, g, x[0], x[1]);
    AdamStep step = {x[0], x[1], x[2], x[3], x[4], x[5]};
    return adam_step(w, m, v, g, step);
}
