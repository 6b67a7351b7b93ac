/* Instructions of the DSP extension (Armv7-M manual DDI 0403E, A7.7) that compilers do not find in
 * portable C, and that C for cores without it. Four int8 values make a word, the first in its
 * lowest byte. */
#ifndef HWNAS_DSP_H
#define HWNAS_DSP_H

#include <stdint.h>
#include <string.h>

static inline uint32_t read_word(const int8_t *from) {
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

static inline void write_word(int8_t *to, uint32_t word) {
    memcpy(to, &word, sizeof word);
}

/* One byte of a word, 0 to 3. */
static inline int32_t byte_of(uint32_t word, uint32_t i) {
    return (int8_t)(word >> 8u * i);
}

static inline int32_t low_half(uint32_t pair) {
    return (int16_t)pair;
}

static inline int32_t high_half(uint32_t pair) {
    return (int32_t)pair >> 16;
}

static inline uint32_t pair_of(int32_t value) {
    return (uint32_t)value << 16 | ((uint32_t)value & 0xFFFFu);
}

static inline uint32_t word_of(int32_t value) {
    return ((uint32_t)value & 0xFFu) * 0x01010101u;
}

#if defined(__ARM_FEATURE_DSP)

/* SMMLAR: sum + a * b / 2^32, rounded half up. */
static inline int32_t add_high_product(int32_t sum, int32_t a, int32_t b) {
    int32_t result;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* SXTAB16: bytes 0 and 2 of a word added to the halves of a pair. */
static inline uint32_t add_even_bytes(uint32_t pair, uint32_t word) {
    uint32_t result;
    __asm__("sxtab16 %0, %1, %2" : "=r"(result) : "r"(pair), "r"(word));
    return result;
}

/* Bytes 1 and 3. */
static inline uint32_t add_odd_bytes(uint32_t pair, uint32_t word) {
    uint32_t result;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(result) : "r"(pair), "r"(word));
    return result;
}

/* SXTB16: bytes 0 and 2 as a pair. */
static inline uint32_t even_bytes(uint32_t word) {
    uint32_t result;
    __asm__("sxtb16 %0, %1" : "=r"(result) : "r"(word));
    return result;
}

/* Bytes 1 and 3. */
static inline uint32_t odd_bytes(uint32_t word) {
    uint32_t result;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(result) : "r"(word));
    return result;
}

/* SSUB8 and SEL: the larger of each two bytes. */
static inline uint32_t larger_bytes(uint32_t a, uint32_t b) {
    uint32_t result;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(result) : "r"(a), "r"(b) : "cc");
    return result;
}

static inline uint32_t smaller_bytes(uint32_t a, uint32_t b) {
    uint32_t result;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %2, %1" : "=&r"(result) : "r"(a), "r"(b) : "cc");
    return result;
}

/* SMLAD: sum + the products of low and of high halves. */
static inline int32_t add_products(int32_t sum, uint32_t a, uint32_t b) {
    int32_t result;
    __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* QADD: twice a number, saturating. */
static inline int32_t double_saturating(int32_t x) {
    int32_t result;
    __asm__("qadd %0, %1, %1" : "=r"(result) : "r"(x));
    return result;
}

/* A number times 2^bits, saturating. */
static inline int32_t times_power(int32_t x, uint32_t bits) {
    for (uint32_t i = 0; i < bits; i++) {
        x = double_saturating(x);
    }
    return x;
}

/* SSAT: the nearest int8 value. */
static inline int32_t saturate(int32_t x) {
    int32_t result;
    __asm__("ssat %0, #8, %1" : "=r"(result) : "r"(x));
    return result;
}

#else

#include "saturating.h"

static inline int32_t add_products(int32_t sum, uint32_t a, uint32_t b) {
    const int32_t low = low_half(a) * low_half(b), high = high_half(a) * high_half(b);
    return (int32_t)((uint32_t)sum + (uint32_t)low + (uint32_t)high);
}

static inline int32_t add_high_product(int32_t sum, int32_t a, int32_t b) {
    const int64_t product = (int64_t)a * b + ((int64_t)1 << 31);
    return (int32_t)((uint32_t)sum + (uint32_t)(product >> 32));
}

static inline uint32_t add_even_bytes(uint32_t pair, uint32_t word) {
    const uint32_t low = pair + (uint32_t)byte_of(word, 0);
    const uint32_t high = (pair >> 16) + (uint32_t)byte_of(word, 2);
    return high << 16 | (low & 0xFFFFu);
}

static inline uint32_t add_odd_bytes(uint32_t pair, uint32_t word) {
    return add_even_bytes(pair, word >> 8);
}

static inline uint32_t even_bytes(uint32_t word) {
    return add_even_bytes(0, word);
}

static inline uint32_t odd_bytes(uint32_t word) {
    return add_odd_bytes(0, word);
}

static inline uint32_t choose_bytes(uint32_t a, uint32_t b, int32_t sign) {
    uint32_t result = 0;
    for (uint32_t i = 0; i < 4u; i++) {
        const uint32_t mask = 0xFFu << 8u * i;
        result |= (sign * (byte_of(a, i) - byte_of(b, i)) >= 0 ? a : b) & mask;
    }
    return result;
}

static inline uint32_t larger_bytes(uint32_t a, uint32_t b) {
    return choose_bytes(a, b, 1);
}

static inline uint32_t smaller_bytes(uint32_t a, uint32_t b) {
    return choose_bytes(a, b, -1);
}

static inline int32_t saturate(int32_t x) {
    return x < INT8_MIN ? INT8_MIN : x > INT8_MAX ? INT8_MAX : x;
}

#endif

/* Four int8 values as a word. */
static inline uint32_t pack_bytes(int32_t x0, int32_t x1, int32_t x2, int32_t x3) {
    return ((uint32_t)x0 & 0xFFu) | ((uint32_t)x1 & 0xFFu) << 8 | ((uint32_t)x2 & 0xFFu) << 16 |
           (uint32_t)x3 << 24;
}

#endif
