/* Bytes that look random and follow from a seed. */
#ifndef HWNAS_FUZZ_NOISE_H
#define HWNAS_FUZZ_NOISE_H

#include <stdint.h>
#include <string.h>

/* Marsaglia's xorshift with 32 bits of state (Journal of Statistical Software 8/14, 2003). */
static inline uint32_t noise_next(uint32_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* 0 to `count` - 1. */
static inline uint32_t noise_below(uint32_t *state, uint32_t count) {
    return noise_next(state) % count;
}

/* Repeats 1 KiB of noise, which is much faster than more of it. */
static inline void noise_fill(uint8_t *bytes, uint32_t size, uint32_t *state) {
    uint32_t words[256];
    for (uint32_t i = 0; i < 256u; i++) {
        words[i] = noise_next(state);
    }
    for (uint32_t at = 0; at < size; at += sizeof words) {
        memcpy(bytes + at, words, size - at < sizeof words ? size - at : sizeof words);
    }
}

#endif
