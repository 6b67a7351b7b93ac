/* What makes of each element another, one by one. */
#include "reference.h"
#include "saturating.h"

#include "pointwise.h"

/* Inlined with its function into each kernel. */
static inline __attribute__((always_inline)) void map(const struct plan *plan,
                                                      const struct plan_step *step, function f) {
    const struct pointwise of = pointwise_of(plan, step);
    const uint32_t count = plan->tensors[step->input0].bytes;
    const int8_t *in = plan_data(plan, step->input0);
    int8_t *out = output_of(plan, step);
    for (uint32_t i = 0; i < count; i++) {
        out[i] = mapped(in[i], f, &of);
    }
}

/* relu, relu6 and requantize differ by their bounds, which are in the plan. */
void reference_rescale(const struct plan *plan, const struct plan_step *step) {
    map(plan, step, rescaled);
}

void reference_leaky_relu(const struct plan *plan, const struct plan_step *step) {
    map(plan, step, leaky);
}

void reference_logistic(const struct plan *plan, const struct plan_step *step) {
    map(plan, step, logistic_value);
}

void reference_tanh(const struct plan *plan, const struct plan_step *step) {
    map(plan, step, tanh_value);
}

void reference_hard_swish(const struct plan *plan, const struct plan_step *step) {
    map(plan, step, hard_swish_value);
}
