/* What becomes of one element, for every kernel set of int8: whoever includes this brings times_power
 * (exponential.h). The kernels differ in how often they ask. */
#ifndef HWNAS_POINTWISE_H
#define HWNAS_POINTWISE_H

#include "exponential.h"
#include "shared.h"

/* Integer bits of what logistic and tanh take. */
#define SIGMOID_INTEGER_BITS 4u

/* A copy of what a function needs: the output might be the plan, for all the compiler knows. */
struct pointwise {
    int32_t p[4];
    int32_t in_zero, out_zero;
    int32_t low, high;
};

typedef int32_t (*function)(int32_t x, const struct pointwise *of);

static inline struct pointwise pointwise_of(const struct plan *plan, const struct plan_step *step) {
    return (struct pointwise){{step->p[0], step->p[1], step->p[2], step->p[3]},
                              plan->tensors[step->input0].zero_point,
                              plan->tensors[step->output].zero_point,
                              step->activation_min,
                              step->activation_max};
}

/* What a function makes of an element, within the bounds of the activation. */
static inline __attribute__((always_inline)) int8_t mapped(int8_t x, function f,
                                                           const struct pointwise *of) {
    return (int8_t)clamp(f(x - of->in_zero, of), of->low, of->high);
}

/* ReluQuantized of tensorflow/lite/micro/kernels/activations_common.cc, where relu6 differs by its
 * bounds, which are in the plan; Requantize of
 * tensorflow/lite/kernels/internal/reference/requantize.h. */
static inline int32_t rescaled(int32_t x, const struct pointwise *of) {
    return add_wrapping(rescale(x, of->p[RESCALE_MULTIPLIER], of->p[RESCALE_SHIFT]), of->out_zero);
}

/* QuantizeLeakyRelu of tensorflow/lite/kernels/internal/reference/leaky_relu.h. */
static inline int32_t leaky(int32_t x, const struct pointwise *of) {
    const int32_t *p = of->p;
    const int32_t multiplier = x >= 0 ? p[LEAKY_IDENTITY_MULTIPLIER] : p[LEAKY_MULTIPLIER];
    const int32_t shift = x >= 0 ? p[LEAKY_IDENTITY_SHIFT] : p[LEAKY_SHIFT];
    return add_wrapping(rescale(x, multiplier, shift), of->out_zero);
}

/* gemmlowp's logistic, from Q4 to Q0. */
static inline int32_t logistic_of(int32_t x) {
    const int32_t negative = x > 0 ? -x : x;
    const int32_t positive = one_over_one_plus(exp_of_negative(negative, SIGMOID_INTEGER_BITS));
    return x == 0 ? 1 << 30 : x > 0 ? positive : Q0_ONE - positive;
}

/* gemmlowp's tanh, from Q4 to Q0: twice the argument is the same number in Q5. */
static inline int32_t tanh_of(int32_t x) {
    const int32_t negative = x > 0 ? -x : x;
    const int32_t positive =
        one_minus_over_one_plus(exp_of_negative(negative, SIGMOID_INTEGER_BITS + 1u));
    return x == 0 ? 0 : x > 0 ? positive : -positive;
}

static inline int32_t sigmoid_input(int32_t x, const struct pointwise *of) {
    return rescale(x, of->p[SIGMOID_MULTIPLIER], of->p[SIGMOID_SHIFT]);
}

/* What was computed, or the end of the range where `x` is beyond the radius. */
static inline int32_t within_radius(int32_t x, const struct pointwise *of, int32_t value) {
    const int32_t radius = of->p[SIGMOID_RADIUS];
    return x <= -radius ? INT8_MIN : x >= radius ? INT8_MAX : value;
}

/* Logistic of tensorflow/lite/kernels/internal/reference/integer_ops/logistic.h. */
static inline int32_t logistic_value(int32_t x, const struct pointwise *of) {
    const int32_t value = computed(logistic_of(sigmoid_input(x, of)));
    return within_radius(x, of, shift_right_rounding(value, 31 - 8) + INT8_MIN);
}

/* Tanh of tensorflow/lite/kernels/internal/reference/integer_ops/tanh.h. */
static inline int32_t tanh_value(int32_t x, const struct pointwise *of) {
    const int32_t value = computed(tanh_of(sigmoid_input(x, of)));
    return within_radius(x, of, shift_right_rounding(value, 31 - 7));
}

static inline int32_t saturate_short(int64_t x) {
    return (int32_t)(x < INT16_MIN ? INT16_MIN : x > INT16_MAX ? INT16_MAX : x);
}

/* gemmlowp's SaturatingRoundingDoublingHighMul of 16 bits; b is not negative. */
static inline int32_t short_product(int32_t a, int32_t b) {
    const int32_t product = a * b;
    return (product + (product >= 0 ? 1 << 14 : 1 - (1 << 14))) / (1 << 15);
}

/* The factor between 0 and 1, in 15 bits: (x + 3) / 6 within its bounds. */
static inline int32_t swish_factor(int32_t hires, const struct pointwise *of) {
    const int32_t exponent = of->p[SWISH_FACTOR_EXPONENT];
    int32_t value = hires;
    if (exponent > 0) {
        value = saturate_short((int64_t)value * (1 << (exponent - 1)));
    }
    value = short_product(value, of->p[SWISH_FACTOR_MULTIPLIER]);
    if (exponent > 0) {
        value = saturate_short(value * 2);
    } else {
        value = shift_right_rounding(value, -exponent);
    }
    return (value + (1 << 15)) >> 1;
}

/* HardSwish of tensorflow/lite/kernels/internal/reference/hard_swish.h. */
static inline int32_t hard_swish_value(int32_t x, const struct pointwise *of) {
    const int32_t hires = x * (1 << 7);
    const int32_t scaled = short_product(hires, of->p[SWISH_OUTPUT_MULTIPLIER]);
    /* Rounded to zero on purpose, as the original's comment tells. */
    const int32_t product = swish_factor(hires, of) * scaled / (1 << 15);
    return shift_right_rounding(product, -of->p[SWISH_OUTPUT_SHIFT]) + of->out_zero;
}

#endif
