#include "fixed_point.h"
#include "own.h"

/* Mean of tensorflow/lite/kernels/internal/reference/integer_ops/mean.h. The
 * plan's factor holds the division by the number of pixels. */
void own_global_average_pool(const struct plan *plan, const struct plan_step *step) {
    const struct plan_tensor *source = &plan->tensors[step->input0];
    const int8_t *in = plan_data(plan, step->input0);
    int8_t *out = (int8_t *)plan->arena + plan->tensors[step->output].offset;
    const int32_t pixels = (int32_t)source->height * source->width;
    const uint32_t channels = source->channels;
    const int32_t multiplier = step->p[RESCALE_MULTIPLIER], shift = step->p[RESCALE_SHIFT];
    const int32_t in_zero = source->zero_point;
    const int32_t out_zero = plan->tensors[step->output].zero_point;
    for (uint32_t c = 0; c < channels; c++) {
        const int8_t *value = in + c;
        int32_t sum = 0;
        for (int32_t i = 0; i < pixels; i++) {
            sum += *value;
            value += channels;
        }
        const int32_t mean = rescale(sum - pixels * in_zero, multiplier, shift);
        out[c] = (int8_t)clamp(add_wrapping(mean, out_zero), step->activation_min,
                               step->activation_max);
    }
}
