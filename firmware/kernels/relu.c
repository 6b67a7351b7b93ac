#include "fixed_point.h"
#include "own.h"

/* ReluQuantized of tensorflow/lite/micro/kernels/activations_common.cc; relu6 differs by its
 * bounds, which are in the plan. */
void own_relu(const struct plan *plan, const struct plan_step *step) {
    const struct plan_tensor *source = &plan->tensors[step->input0];
    const int8_t *in = plan_data(plan, step->input0);
    int8_t *out = (int8_t *)plan->arena + plan->tensors[step->output].offset;
    const int32_t in_zero = source->zero_point;
    const int32_t out_zero = plan->tensors[step->output].zero_point;
    const int32_t multiplier = step->p[RESCALE_MULTIPLIER], shift = step->p[RESCALE_SHIFT];
    const int32_t low = step->activation_min, high = step->activation_max;
    for (uint32_t i = 0; i < source->bytes; i++) {
        const int32_t scaled = rescale(in[i] - in_zero, multiplier, shift);
        out[i] = (int8_t)clamp(add_wrapping(scaled, out_zero), low, high);
    }
}
