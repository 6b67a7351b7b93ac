#include "float32.h"

/* FullyConnected of tensorflow/lite/kernels/internal/reference/fully_connected.h. */
void float32_dense(const struct plan *plan, const struct plan_step *step) {
    const uint32_t inputs = plan->tensors[step->input0].channels;
    const uint32_t outputs = plan->tensors[step->output].channels;
    const float *in = plan_data(plan, step->input0);
    const float *weights = plan_data(plan, step->weights);
    const float *bias = step->bias == PLAN_NO_TENSOR ? 0 : plan_data(plan, step->bias);
    const struct bounds bounds = bounds_of(step);
    float *out = output_of(plan, step);
    for (uint32_t o = 0; o < outputs; o++) {
        float sum = bias ? bias[o] : 0.0f;
        for (uint32_t i = 0; i < inputs; i++) {
            sum += in[i] * *weights++;
        }
        out[o] = within(sum, bounds);
    }
}
