/* The exponential function in single precision, without a conversion of floats to integers, which
 * could be out of range. NaN gives NaN.
 *
 * Method and constants are those of expf_1u in Arm's Optimized Routines (copyright Arm Limited, MIT
 * OR Apache-2.0 WITH LLVM-exception): x = n ln 2 + r, exp(x) = 2^n exp(r), with a polynomial for
 * exp(r) whose largest error is 0.37 units in the last place, besides rounding. */
#ifndef HWNAS_FLOAT32_POWER_H
#define HWNAS_FLOAT32_POWER_H

#include <string.h>

#include "fixed_point.h"

static inline float float_of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t bits_of_float(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* exp(x) = 2^n (1 + rest). */
struct power {
    int32_t n;
    float rest; /* -0.30 to 0.42 */
};

/* For a magnitude below 2^21. */
static inline struct power power_of(float x) {
    /* Added to a number, it leaves the nearest integer in the lowest bits. */
    const float shifter = 0x1.8p23f;
    const float shifted = x * 0x1.715476p+0f + shifter; /* 1 / ln 2 */
    const float n = shifted - shifter;
    const float r = x - n * 0x1.62e4p-1f - n * 0x1.7f7d1cp-20f; /* ln 2, in two parts */
    float p = 0x1.6a6000p-10f;
    p = p * r + 0x1.12718ep-7f;
    p = p * r + 0x1.555af0p-5f;
    p = p * r + 0x1.555430p-3f;
    p = p * r + 0x1.fffff4p-2f;
    p = p * r + 1.0f;
    return (struct power){(int32_t)(bits_of_float(shifted) - bits_of_float(shifter)), p * r};
}

/* 2^n, for n of -126 to 127. */
static inline float power_of_two(int32_t n) {
    return float_of_bits((uint32_t)(n + 127) << 23);
}

/* exp(x), for x of 0 or less. */
static inline float exponential(float x) {
    const float least = -104.0f; /* gives 0, as what is below does */
    const float bounded = x < least ? least : x;
    /* Hidden from the compiler, which else would have a branch of its own for what is below. */
    const uint32_t bits = (uint32_t)computed((int32_t)bits_of_float(bounded));
    const struct power power = power_of(float_of_bits(bits));
    /* 2^n itself may be smaller than a float can hold with all its digits. */
    return (1.0f + power.rest) * power_of_two(power.n + 32) * 0x1p-32f;
}

/* exp(x) - 1, precise around 0, for x of 0 to 80. */
static inline float exponential_less_one(float x) {
    const struct power power = power_of(x);
    const float scale = power_of_two(power.n);
    return scale * power.rest + (scale - 1.0f);
}

#endif
