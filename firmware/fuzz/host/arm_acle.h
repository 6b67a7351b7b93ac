/* The two intrinsics of Arm's C Language Extensions that CMSIS-NN names itself, in portable C. */
#ifndef HWNAS_HOST_ARM_ACLE_H
#define HWNAS_HOST_ARM_ACLE_H

#include <stdint.h>

static inline int32_t __smlabb(int32_t a, int32_t b, int32_t sum) {
    return (int32_t)((uint32_t)((int16_t)a * (int16_t)b) + (uint32_t)sum);
}

static inline int32_t __smlatt(int32_t a, int32_t b, int32_t sum) {
    return (int32_t)((uint32_t)((a >> 16) * (b >> 16)) + (uint32_t)sum);
}

#endif
