/* What exponential.h wants, in portable C. */
#ifndef HWNAS_SATURATING_H
#define HWNAS_SATURATING_H

#include <stdint.h>

/* A number times 2^bits, saturating; 1 to 30 bits. */
static inline int32_t times_power(int32_t x, uint32_t bits) {
    const int32_t most = INT32_MAX >> bits;
    return x > most ? INT32_MAX : x < -most ? INT32_MIN : (int32_t)((uint32_t)x << bits);
}

#endif
