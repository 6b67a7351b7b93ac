/* Kernels for floats. Each computes what the TensorFlow Lite for Microcontrollers function that it
 * names does, to the rounding: docs/kernels.md says how far off. */
#ifndef HWNAS_FLOAT32_KERNELS_H
#define HWNAS_FLOAT32_KERNELS_H

#include <stddef.h>
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

/* What is done to the sum of a channel's products. */
struct finish {
    const float *bias;
    uint32_t bias_step; /* from channel to channel; 0 without a bias */
    struct bounds bounds;
};

static inline struct finish finish_of(const struct plan *plan, const struct plan_step *step) {
    static const float none = 0.0f;
    const bool biased = step->bias != PLAN_NO_TENSOR;
    return (struct finish){biased ? plan_data(plan, step->bias) : &none, biased, bounds_of(step)};
}

static inline float finished(float sum, const struct finish *finish, uint32_t channel) {
    return within(sum + finish->bias[channel * finish->bias_step], finish->bounds);
}

static inline uint32_t elements_of(const struct plan *plan, uint16_t tensor) {
    return plan->tensors[tensor].bytes / sizeof(float);
}

void float32_add(const struct plan *plan, const struct plan_step *step);
void float32_average_pool2d(const struct plan *plan, const struct plan_step *step);
void float32_conv2d(const struct plan *plan, const struct plan_step *step);
void float32_dense(const struct plan *plan, const struct plan_step *step);
void float32_depthwise_conv2d(const struct plan *plan, const struct plan_step *step);
void float32_global_average_pool2d(const struct plan *plan, const struct plan_step *step);
void float32_global_max_pool2d(const struct plan *plan, const struct plan_step *step);
void float32_hard_swish(const struct plan *plan, const struct plan_step *step);
void float32_leaky_relu(const struct plan *plan, const struct plan_step *step);
void float32_logistic(const struct plan *plan, const struct plan_step *step);
void float32_max_pool2d(const struct plan *plan, const struct plan_step *step);
void float32_mul(const struct plan *plan, const struct plan_step *step);
void float32_relu(const struct plan *plan, const struct plan_step *step);
void float32_softmax(const struct plan *plan, const struct plan_step *step);
void float32_sub(const struct plan *plan, const struct plan_step *step);
void float32_tanh(const struct plan *plan, const struct plan_step *step);

#endif
