#include "fixed_point.h"
#include "own.h"

/* Fixed-point numbers are written Qi: i integer bits, 31 - i fractional ones. */
#define Q0_ONE INT32_MAX
#define Q2_ONE (1 << 29)
#define DIFF_INTEGER_BITS 5
#define SUM_INTEGER_BITS 12
#define QUARTER (1 << (31 - DIFF_INTEGER_BITS - 2)) /* in Q5 */

/* gemmlowp's exp_on_interval_between_negative_one_quarter_and_0_excl: a Taylor series around -1/8
 * in Q0. */
static int32_t exp_of_small(int32_t a) {
    const int32_t exp_of_eighth = 1895147668; /* exp(-1/8) */
    const int32_t third = 715827883;
    const int32_t x = add_wrapping(a, 1 << 28);
    const int32_t x2 = high_product(x, x);
    const int32_t x3 = high_product(x2, x);
    const int32_t x4 = high_product(x2, x2);
    const int32_t x4_over_4 = shift_right_rounding(x4, 2);
    const int32_t tail = high_product(add_wrapping(x4_over_4, x3), third);
    const int32_t higher = shift_right_rounding(add_wrapping(tail, x2), 1);
    return add_wrapping(exp_of_eighth, high_product(exp_of_eighth, add_wrapping(x, higher)));
}

/* gemmlowp's exp_on_negative_values: exp of a Q5 number, 0 or below, in Q0. */
static int32_t exp_of_negative(int32_t a) {
    /* exp(-1/4), exp(-1/2), exp(-1), exp(-2), exp(-4), exp(-8), exp(-16) in Q0. */
    static const int32_t factors[] = {1672461947, 1302514674, 790015084, 290630308,
                                      39332535,   720401,     242};
    if (a == 0) {
        return Q0_ONE;
    }
    const int32_t below_quarter = add_wrapping(a & (QUARTER - 1), -QUARTER);
    const int32_t remainder = add_wrapping(below_quarter, -a);
    int32_t result = exp_of_small(shift_left_saturating(below_quarter, DIFF_INTEGER_BITS));
    for (uint32_t i = 0; i < sizeof factors / sizeof factors[0]; i++) {
        if (remainder & (QUARTER << i)) {
            result = high_product(result, factors[i]);
        }
    }
    return result;
}

/* gemmlowp's one_over_one_plus_x_for_x_in_0_1, in Q0: three steps of Newton and Raphson. */
static int32_t one_over_one_plus(int32_t a) {
    const int32_t q2_48_over_17 = 1515870810;
    const int32_t q2_neg_32_over_17 = -1010580540;
    const int64_t sum = (int64_t)a + Q0_ONE;
    const int32_t half_denominator = (int32_t)((sum + (sum >= 0 ? 1 : -1)) / 2);
    int32_t x = add_wrapping(q2_48_over_17, high_product(half_denominator, q2_neg_32_over_17));
    for (int32_t i = 0; i < 3; i++) {
        const int32_t rest = add_wrapping(Q2_ONE, -high_product(half_denominator, x));
        x = add_wrapping(x, shift_left_saturating(high_product(x, rest), 2));
    }
    return shift_left_saturating(x, 1);
}

static int32_t scaled_exp(int32_t difference, const struct plan_step *step) {
    const int32_t shifted = shift_left(difference, step->p[SOFTMAX_SHIFT]);
    return exp_of_negative(high_product(shifted, step->p[SOFTMAX_MULTIPLIER]));
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
        if (in[i] - largest >= least) {
            const int32_t exponential = scaled_exp(in[i] - largest, step);
            sum = add_wrapping(sum, shift_right_rounding(exponential, SUM_INTEGER_BITS));
        }
    }
    /* GetReciprocal of tensorflow/lite/kernels/internal/common.h. */
    const int32_t headroom = sum == 0 ? 31 : __builtin_clz((uint32_t)sum);
    const int32_t fraction = (int32_t)(((uint32_t)sum << headroom) - (1u << 31));
    const int32_t scale = one_over_one_plus(fraction);
    const int32_t bits = SUM_INTEGER_BITS - headroom + 31 - 8;
    for (uint32_t i = 0; i < depth; i++) {
        int32_t value = INT8_MIN;
        if (in[i] - largest >= least && bits <= 31) {
            const int32_t share = high_product(scale, scaled_exp(in[i] - largest, step));
            value = clamp(add_wrapping(shift_right_rounding(share, bits), INT8_MIN), INT8_MIN,
                          INT8_MAX);
        }
        out[i] = (int8_t)value;
    }
}

/* Softmax of tensorflow/lite/kernels/internal/reference/softmax.h, int8 to int8. */
void own_softmax(const struct plan *plan, const struct plan_step *step) {
    const struct plan_tensor *source = &plan->tensors[step->input0];
    const int8_t *in = plan_data(plan, step->input0);
    int8_t *out = (int8_t *)plan->arena + plan->tensors[step->output].offset;
    for (uint32_t at = 0; at < source->bytes; at += source->channels) {
        softmax_row(in + at, out + at, source->channels, step);
    }
}
