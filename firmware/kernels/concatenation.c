#include <string.h>

#include "shared.h"

/* Concatenation of tensorflow/lite/kernels/internal/reference/concatenation.h. */
void own_concatenation(const struct plan *plan, const struct plan_step *step) {
    const struct plan_tensor *t = &plan->tensors[step->output];
    const int32_t axis = step->p[JOINED_AXIS];
    const uint32_t rows = axis == JOINED_HEIGHT ? 1u : t->height;
    const uint32_t parts = axis == JOINED_CHANNELS ? rows * t->width : rows;
    uint16_t inputs[PLAN_MAX_INPUTS];
    const uint32_t count = plan_inputs(step, inputs);
    const uint32_t pitch = t->bytes / parts;
    uint8_t *start = output_of(plan, step);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *in = plan_data(plan, inputs[i]);
        const uint32_t size = plan->tensors[inputs[i]].bytes / parts;
        uint8_t *out = start;
        for (uint32_t k = 0; k < parts; k++) {
            memcpy(out, in, size);
            in += size;
            out += pitch;
        }
        start += size;
    }
}
