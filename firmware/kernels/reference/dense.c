#include "reference.h"
#include "sums.h"

/* FullyConnected of tensorflow/lite/kernels/internal/reference/integer_ops/fully_connected.h. */
void reference_dense(const struct plan *plan, const struct plan_step *step) {
    const struct plan_step s = *step;
    const struct plan_tensor source = plan->tensors[s.input0], target = plan->tensors[s.output];
    const int8_t *in = plan_data(plan, s.input0);
    const int8_t *weights = plan_data(plan, s.weights);
    const int32_t *bias = bias_of(plan, step);
    int8_t *out = output_of(plan, step);
    for (uint32_t c = 0; c < target.channels; c++) {
        const int32_t sum = sum_of_products(in, source.zero_point, weights, source.channels);
        const int32_t biased = bias == NULL ? sum : add_wrapping(sum, bias[c]);
        const int32_t scaled = rescale(biased, s.p[DENSE_MULTIPLIER], s.p[DENSE_SHIFT]);
        out[c] = (int8_t)clamp(add_wrapping(scaled, target.zero_point), s.activation_min,
                               s.activation_max);
        weights += source.channels;
    }
}
