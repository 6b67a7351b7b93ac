/* Pooling over whole feature maps. */
#include "fixed_point.h"
#include "reference.h"

/* Mean of tensorflow/lite/kernels/internal/reference/integer_ops/mean.h. The plan's factor holds the
 * division by the number of pixels. */
void reference_global_average_pool2d(const struct plan *plan, const struct plan_step *step) {
    const struct plan_step s = *step;
    const struct plan_tensor source = plan->tensors[s.input0], target = plan->tensors[s.output];
    const uint32_t pixels = (uint32_t)source.height * source.width;
    const int8_t *in = plan_data(plan, s.input0);
    int8_t *out = output_of(plan, step);
    for (uint32_t c = 0; c < source.channels; c++) {
        int32_t sum = 0;
        for (uint32_t i = 0; i < pixels; i++) {
            sum += in[i * source.channels + c];
        }
        const int32_t mean = rescale(sum - (int32_t)pixels * source.zero_point,
                                     s.p[RESCALE_MULTIPLIER], s.p[RESCALE_SHIFT]);
        out[c] = (int8_t)clamp(add_wrapping(mean, target.zero_point), s.activation_min,
                               s.activation_max);
    }
}

/* QuantizedReduceMax of tensorflow/lite/micro/kernels/reduce_common.cc, which wants one
 * quantization on both sides. */
void reference_global_max_pool2d(const struct plan *plan, const struct plan_step *step) {
    const struct plan_tensor source = plan->tensors[step->input0];
    const uint32_t pixels = (uint32_t)source.height * source.width;
    const int8_t *in = plan_data(plan, step->input0);
    int8_t *out = output_of(plan, step);
    for (uint32_t c = 0; c < source.channels; c++) {
        int8_t largest = INT8_MIN;
        for (uint32_t i = 0; i < pixels; i++) {
            const int8_t value = in[i * source.channels + c];
            largest = value > largest ? value : largest;
        }
        out[c] = largest;
    }
}
