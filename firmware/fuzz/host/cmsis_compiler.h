/* Stands in for CMSIS-Core's header of this name: the DSP instructions that CMSIS-NN uses, in
 * portable C as the Armv7-M manual (DDI 0403E, A7.7) defines them. So the host runs the same
 * branches of Arm's kernels as a Cortex-M4, and touches the same memory. */
#ifndef HWNAS_HOST_CMSIS_COMPILER_H
#define HWNAS_HOST_CMSIS_COMPILER_H

#include <stdint.h>

#define ARM_MATH_DSP 1
#define __RESTRICT __restrict
#define __STATIC_INLINE static inline
#define __STATIC_FORCEINLINE static inline __attribute__((always_inline))
#define __ALIGNED(x) __attribute__((aligned(x)))

static inline int32_t host_low(uint32_t x) {
    return (int16_t)x;
}

static inline int32_t host_high(uint32_t x) {
    return (int16_t)(x >> 16);
}

static inline uint32_t host_pair(uint32_t high, uint32_t low) {
    return high << 16 | (low & 0xFFFFu);
}

static inline int32_t host_saturate(int64_t x, int64_t least, int64_t most) {
    return (int32_t)(x < least ? least : x > most ? most : x);
}

static inline uint32_t __ROR(uint32_t x, uint32_t bits) {
    bits %= 32u;
    return bits == 0 ? x : x >> bits | x << (32u - bits);
}

static inline uint32_t __SXTB16(uint32_t x) {
    return host_pair((uint32_t)(int8_t)(x >> 16), (uint32_t)(int8_t)x);
}

static inline uint32_t __SXTB16_RORn(uint32_t x, uint32_t bits) {
    return __SXTB16(__ROR(x, bits));
}

static inline uint32_t __SXTAB16(uint32_t x, uint32_t y) {
    return host_pair((x >> 16) + (uint32_t)(int8_t)(y >> 16), x + (uint32_t)(int8_t)y);
}

static inline uint32_t __SXTAB16_RORn(uint32_t x, uint32_t y, uint32_t bits) {
    return __SXTAB16(x, __ROR(y, bits));
}

static inline uint32_t __SMLAD(uint32_t x, uint32_t y, uint32_t sum) {
    const int64_t products =
        (int64_t)host_low(x) * host_low(y) + (int64_t)host_high(x) * host_high(y);
    return (uint32_t)products + sum;
}

static inline int32_t __QADD(int32_t x, int32_t y) {
    return host_saturate((int64_t)x + y, INT32_MIN, INT32_MAX);
}

static inline uint32_t __QADD16(uint32_t x, uint32_t y) {
    const int32_t low = host_saturate((int64_t)host_low(x) + host_low(y), INT16_MIN, INT16_MAX);
    const int32_t high = host_saturate((int64_t)host_high(x) + host_high(y), INT16_MIN, INT16_MAX);
    return host_pair((uint32_t)high, (uint32_t)low);
}

static inline uint32_t __PKHBT(uint32_t x, uint32_t y, uint32_t left) {
    return (x & 0xFFFFu) | (y << left & 0xFFFF0000u);
}

static inline uint32_t __PKHTB(uint32_t x, uint32_t y, uint32_t right) {
    return (x & 0xFFFF0000u) | ((uint32_t)((int32_t)y >> right) & 0xFFFFu);
}

#endif
