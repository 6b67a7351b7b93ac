/* Softmax, for every kernel set of int8: whoever includes this brings times_power (exponential.h). */
#ifndef HWNAS_SOFTMAX_H
#define HWNAS_SOFTMAX_H

#include "exponential.h"
#include "shared.h"

#define DIFF_INTEGER_BITS 5
#define SUM_INTEGER_BITS 12

static int32_t scaled_exp(int32_t difference, const struct plan_step *step) {
    const int32_t shifted = shift_left(difference, step->p[SOFTMAX_SHIFT]);
    return exp_of_negative(high_product(shifted, step->p[SOFTMAX_MULTIPLIER]), DIFF_INTEGER_BITS);
}

static void softmax_row(const int8_t *in, int8_t *out, uint32_t depth,
                        const struct plan_step *step) {
    const int32_t least = step->p[SOFTMAX_DIFF_MIN];
    int32_t largest = INT8_MIN;
    for (uint32_t i = 0; i < depth; i++) {
        largest = in[i] > largest ? in[i] : largest;
    }
    int32_t sum = 0;
    for (uint32_t i = 0; i < depth; i++) {
        const int32_t exponential = computed(scaled_exp(in[i] - largest, step));
        const int32_t term = shift_right_rounding(exponential, SUM_INTEGER_BITS);
        sum = add_wrapping(sum, in[i] - largest >= least ? term : 0);
    }
    /* GetReciprocal of tensorflow/lite/kernels/internal/common.h. */
    const int32_t headroom = sum == 0 ? 31 : __builtin_clz((uint32_t)sum);
    const int32_t fraction = (int32_t)(((uint32_t)sum << headroom) - (1u << 31));
    const int32_t scale = one_over_one_plus(fraction);
    const int32_t bits = SUM_INTEGER_BITS - headroom + 31 - 8;
    for (uint32_t i = 0; i < depth; i++) {
        const int32_t share = high_product(scale, computed(scaled_exp(in[i] - largest, step)));
        const int32_t scaled = shift_right_rounding(share, bits & 31);
        const int32_t value = clamp(add_wrapping(scaled, INT8_MIN), INT8_MIN, INT8_MAX);
        out[i] = (int8_t)(in[i] - largest >= least && bits <= 31 ? value : INT8_MIN);
    }
}

/* Softmax of tensorflow/lite/kernels/internal/reference/softmax.h, int8 to int8. */
static void softmax_rows(const struct plan *plan, const struct plan_step *step) {
    const struct plan_tensor *source = &plan->tensors[step->input0];
    const int8_t *in = plan_data(plan, step->input0);
    int8_t *out = output_of(plan, step);
    for (uint32_t at = 0; at < source->bytes; at += source->channels) {
        softmax_row(in + at, out + at, source->channels, step);
    }
}

#endif
