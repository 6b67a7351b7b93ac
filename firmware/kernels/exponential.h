/* gemmlowp's functions on fixed-point numbers around the exponential (fixedpoint.h), for softmax,
 * logistic and tanh. Numbers are written Qi: i integer bits, 31 - i fractional ones. Whoever includes
 * this brings times_power: a number times 2^bits, saturating. */
#ifndef HWNAS_EXPONENTIAL_H
#define HWNAS_EXPONENTIAL_H

#include "fixed_point.h"

#define Q0_ONE INT32_MAX
#define Q2_ONE (1 << 29)

/* high_product where not both operands are INT32_MIN. */
static inline int32_t product_of(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* exp_on_interval_between_negative_one_quarter_and_0_excl: a Taylor series around -1/8 in Q0. */
static inline int32_t exp_of_small(int32_t a) {
    const int32_t exp_of_eighth = 1895147668; /* exp(-1/8) */
    const int32_t third = 715827883;
    const int32_t x = add_wrapping(a, 1 << 28);
    const int32_t x2 = product_of(x, x);
    const int32_t x3 = product_of(x2, x);
    const int32_t x4 = product_of(x2, x2);
    const int32_t x4_over_4 = shift_right_rounding(x4, 2);
    const int32_t tail = product_of(add_wrapping(x4_over_4, x3), third);
    const int32_t higher = shift_right_rounding(add_wrapping(tail, x2), 1);
    return add_wrapping(exp_of_eighth, product_of(exp_of_eighth, add_wrapping(x, higher)));
}

/* exp_on_negative_values: exp of a number with `integer_bits` (4 or 5), 0 or below, in Q0. */
static inline int32_t exp_of_negative(int32_t a, uint32_t integer_bits) {
    /* exp(-1/4), exp(-1/2), exp(-1), exp(-2), exp(-4), exp(-8), exp(-16) in Q0. */
    static const int32_t factors[] = {1672461947, 1302514674, 790015084, 290630308,
                                      39332535,   720401,     242};
    const int32_t quarter = 1 << (31u - integer_bits - 2u);
    const int32_t below_quarter = add_wrapping(a & (quarter - 1), -quarter);
    const int32_t remainder = add_wrapping(below_quarter, -a);
    int32_t result = exp_of_small(times_power(below_quarter, integer_bits));
    for (uint32_t i = 0; i < integer_bits + 2u; i++) {
        const int32_t product = product_of(result, factors[i]);
        result = remainder & (quarter << i) ? product : result;
    }
    return a == 0 ? Q0_ONE : result;
}

/* 2 / (1 + a) in Q2, for a of 0 to 1 in Q0: three steps of Newton and Raphson. */
static inline int32_t two_over_one_plus(int32_t a) {
    const int32_t q2_48_over_17 = 1515870810;
    const int32_t q2_neg_32_over_17 = -1010580540;
    const int64_t sum = (int64_t)a + Q0_ONE;
    const int32_t half_denominator = (int32_t)((sum + (sum >= 0 ? 1 : -1)) / 2);
    int32_t x = add_wrapping(q2_48_over_17, product_of(half_denominator, q2_neg_32_over_17));
    for (int32_t i = 0; i < 3; i++) {
        const int32_t rest = add_wrapping(Q2_ONE, -product_of(half_denominator, x));
        x = add_wrapping(x, times_power(product_of(x, rest), 2));
    }
    return x;
}

/* one_over_one_plus_x_for_x_in_0_1, in Q0. */
static inline int32_t one_over_one_plus(int32_t a) {
    return times_power(two_over_one_plus(a), 1);
}

/* one_minus_x_over_one_plus_x_for_x_in_0_1, in Q0: 2 / (1 + a) - 1. */
static inline int32_t one_minus_over_one_plus(int32_t a) {
    return times_power(add_wrapping(two_over_one_plus(a), -Q2_ONE), 2);
}

#endif
