/* Sums of products, and what becomes of them: of convolutions and dense layers. */
#ifndef HWNAS_REFERENCE_SUMS_H
#define HWNAS_REFERENCE_SUMS_H

#include <stddef.h>

#include "fixed_point.h"
#include "plan.h"

/* Of `count` values less their zero point with as many weights; no more than 65,535 of them, so the
 * sum fits 32 bits. */
static inline int32_t sum_of_products(const int8_t *in, int32_t zero, const int8_t *weights,
                                      uint32_t count) {
    int32_t sum = 0;
    for (const int8_t *end = weights + count; weights != end; weights++) {
        sum += *weights * (*in++ - zero);
    }
    return sum;
}

static inline const int32_t *bias_of(const struct plan *plan, const struct plan_step *step) {
    return step->bias == PLAN_NO_TENSOR ? NULL : plan_data(plan, step->bias);
}

/* What a convolution has of its own for every channel. */
struct channels {
    const int32_t *bias; /* NULL: none */
    const int32_t *multipliers;
    const int32_t *shifts;
    int32_t zero;
    int32_t low, high;
};

static inline struct channels channels_of(const struct plan *plan, const struct plan_step *step) {
    return (struct channels){bias_of(plan, step),
                             plan_data(plan, step->multipliers),
                             plan_data(plan, step->shifts),
                             plan->tensors[step->output].zero_point,
                             step->activation_min,
                             step->activation_max};
}

/* The output that a channel's sum becomes. No check has seen what the tensors hold: of a shift five
 * bits count. */
static inline int8_t channel_output(const struct channels *of, uint32_t channel, int32_t sum) {
    const int32_t biased = of->bias == NULL ? sum : add_wrapping(sum, of->bias[channel]);
    const int32_t shift = of->shifts[channel];
    const int32_t left = shift > 0 ? shift & 31 : 0;
    const int32_t right = shift > 0 ? 0 : -(shift | ~31) & 31;
    const int32_t high = high_product(shift_left(biased, left), of->multipliers[channel]);
    const int32_t scaled = shift_right_rounding(high, right);
    return (int8_t)clamp(add_wrapping(scaled, of->zero), of->low, of->high);
}

#endif
