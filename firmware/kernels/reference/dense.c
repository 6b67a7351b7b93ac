#include "fixed_point.h"
#include "reference.h"

/* FullyConnected of tensorflow/lite/kernels/internal/reference/integer_ops/fully_connected.h. */
void reference_dense(const struct plan *plan, const struct plan_step *step) {
    const struct plan_tensor *source = &plan->tensors[step->input0];
    const struct plan_tensor *target = &plan->tensors[step->output];
    const int8_t *in = plan_data(plan, step->input0);
    const int8_t *weights = plan_data(plan, step->weights);
    const int32_t *bias = step->bias == PLAN_NO_TENSOR ? 0 : plan_data(plan, step->bias);
    int8_t *out = output_of(plan, step);
    for (uint32_t o = 0; o < target->channels; o++) {
        int32_t sum = bias ? bias[o] : 0;
        for (uint32_t i = 0; i < source->channels; i++) {
            sum += (in[i] - source->zero_point) * *weights++;
        }
        const int32_t scaled = rescale(sum, step->p[DENSE_MULTIPLIER], step->p[DENSE_SHIFT]);
        out[o] = (int8_t)clamp(add_wrapping(scaled, target->zero_point), step->activation_min,
                               step->activation_max);
    }
}
