/* Kernels for floats. Each computes what the TensorFlow Lite for Microcontrollers function that it
 * names does, to the rounding: sums are added in another order. */
#ifndef HWNAS_FLOAT32_KERNELS_H
#define HWNAS_FLOAT32_KERNELS_H

#include <string.h>

#include "shared.h"

struct bounds {
    float low;
    float high;
};

/* The bounds of a step's activation, whose fields hold the bits of floats. */
static inline struct bounds bounds_of(const struct plan_step *step) {
    struct bounds bounds;
    memcpy(&bounds.low, &step->activation_min, sizeof bounds.low);
    memcpy(&bounds.high, &step->activation_max, sizeof bounds.high);
    return bounds;
}

static inline float within(float x, struct bounds bounds) {
    const float above = x < bounds.low ? bounds.low : x;
    return above > bounds.high ? bounds.high : above;
}

void float32_dense(const struct plan *plan, const struct plan_step *step);

#endif
