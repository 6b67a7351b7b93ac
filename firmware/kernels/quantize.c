#include <string.h>

#include "shared.h"

/* Beyond it every sum with a zero point saturates. */
#define LARGEST_QUOTIENT 256.0f

static float scale_of(const struct plan_step *step) {
    float scale;
    memcpy(&scale, &step->p[QUANTIZE_SCALE_BITS], sizeof scale);
    return scale;
}

/* Rounded half away from zero: whole halves, which the double tells exactly, one more of them away
 * from zero, and of these every two. */
static int32_t round_quotient(float quotient) {
    const int32_t halves = (int32_t)(2.0f * quotient);
    return (halves + (halves < 0 ? -1 : 1)) / 2;
}

static int32_t quantized(float quotient, int32_t zero) {
    if (quotient >= LARGEST_QUOTIENT) {
        return INT8_MAX;
    }
    if (quotient <= -LARGEST_QUOTIENT) {
        return INT8_MIN;
    }
    /* What is neither is NaN. */
    const int32_t rounded = quotient == quotient ? round_quotient(quotient) : 0;
    const int32_t value = rounded + zero;
    return value < INT8_MIN ? INT8_MIN : value > INT8_MAX ? INT8_MAX : value;
}

/* AffineQuantize of tensorflow/lite/kernels/internal/reference/quantize.h. */
void own_quantize(const struct plan *plan, const struct plan_step *step) {
    const struct plan_tensor *t = &plan->tensors[step->output];
    const float *in = plan_data(plan, step->input0);
    int8_t *out = output_of(plan, step);
    const float scale = scale_of(step);
    const int32_t zero = t->zero_point;
    for (uint32_t i = 0; i < t->bytes; i++) {
        out[i] = (int8_t)quantized(in[i] / scale, zero);
    }
}

/* Dequantize of tensorflow/lite/kernels/internal/reference/dequantize.h. */
void own_dequantize(const struct plan *plan, const struct plan_step *step) {
    const struct plan_tensor *source = &plan->tensors[step->input0];
    const int8_t *in = plan_data(plan, step->input0);
    float *out = output_of(plan, step);
    const float scale = scale_of(step);
    const int32_t zero = source->zero_point;
    for (uint32_t i = 0; i < source->bytes; i++) {
        out[i] = scale * (float)(in[i] - zero);
    }
}
