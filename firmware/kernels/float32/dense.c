#include "products.h"

/* FullyConnected of tensorflow/lite/kernels/internal/reference/fully_connected.h: each output is a
 * filter as large as the input. */
void float32_dense(const struct plan *plan, const struct plan_step *step) {
    const uint32_t inputs = plan->tensors[step->input0].channels;
    const struct filters filters = {
        .rows = 1,
        .runs = 1,
        .length = inputs,
        .window = {.data = plan_data(plan, step->input0)},
        .filter = {.data = plan_data(plan, step->weights)},
        .count = plan->tensors[step->output].channels,
        .apart = inputs,
        .finish = finish_of(plan, step),
    };
    filters_over_one(&filters, output_of(plan, step));
}
