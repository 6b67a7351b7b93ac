#include <float.h>

#include "float32.h"
#include "power.h"

static void softmax_row(const float *in, float *out, uint32_t depth) {
    float largest = -FLT_MAX;
    for (uint32_t i = 0; i < depth; i++) {
        largest = in[i] > largest ? in[i] : largest;
    }
    float sum = 0.0f;
    for (uint32_t i = 0; i < depth; i++) {
        const float power = exponential(in[i] - largest);
        out[i] = power;
        sum += power;
    }
    const float scale = 1.0f / sum;
    for (uint32_t i = 0; i < depth; i++) {
        out[i] *= scale;
    }
}

/* Softmax of tensorflow/lite/kernels/internal/reference/softmax.h, with a beta of 1. */
void float32_softmax(const struct plan *plan, const struct plan_step *step) {
    const uint32_t depth = plan->tensors[step->input0].channels;
    const float *in = plan_data(plan, step->input0);
    float *out = output_of(plan, step);
    for (uint32_t left = elements_of(plan, step->output); left != 0; left -= depth) {
        softmax_row(in, out, depth);
        in += depth;
        out += depth;
    }
}
