/* Fixed-point arithmetic of TensorFlow Lite (common.h) and gemmlowp (fixedpoint.h). Overflow wraps
 * around: a plan may hold any constants. */
#ifndef HWNAS_FIXED_POINT_H
#define HWNAS_FIXED_POINT_H

#include <stdint.h>

static inline int32_t shift_left(int32_t x, int32_t bits) {
    return (int32_t)((uint32_t)x << bits);
}

static inline int32_t add_wrapping(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

static inline int32_t clamp(int32_t x, int32_t low, int32_t high) {
    return x < low ? low : x > high ? high : x;
}

/* `x`, which the compiler must compute here, even where a branch could spare it. So a kernel's time
 * does not depend on what it computes with. */
static inline int32_t computed(int32_t x) {
    __asm__ volatile("" : "+r"(x));
    return x;
}

/* SaturatingRoundingDoublingHighMul: a * b / 2^31, rounded half up. */
static inline int32_t high_product(int32_t a, int32_t b) {
    if (a == INT32_MIN && b == INT32_MIN) {
        return INT32_MAX;
    }
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* RoundingDivideByPOT: x / 2^bits, rounded half away from zero; 0 to 31 bits. */
static inline int32_t shift_right_rounding(int32_t x, int32_t bits) {
    const int32_t mask = (int32_t)((1u << bits) - 1u);
    const int32_t threshold = (mask >> 1) + (x < 0);
    return (x >> bits) + ((x & mask) > threshold);
}

/* MultiplyByQuantizedMultiplier: x * multiplier * 2^shift / 2^31, rounded twice. */
static inline int32_t rescale(int32_t x, int32_t multiplier, int32_t shift) {
    const int32_t left = shift > 0 ? shift : 0;
    return shift_right_rounding(high_product(shift_left(x, left), multiplier), left - shift);
}

#endif
