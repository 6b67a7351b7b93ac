#include <string.h>

#include "shared.h"

/* PadImpl of tensorflow/lite/kernels/internal/reference/pad.h. What lies between one row of the
 * input and the next, to the right and to the left, is filled at once. A float's zero point is 0, and
 * so are the bytes of the float 0. */
void own_pad(const struct plan *plan, const struct plan_step *step) {
    const struct plan_tensor *source = &plan->tensors[step->input0];
    const struct plan_tensor *target = &plan->tensors[step->output];
    const uint8_t *in = plan_data(plan, step->input0);
    uint8_t *out = output_of(plan, step);
    const int zero = target->zero_point;
    const uint32_t row = source->bytes / source->height;
    const uint32_t between = target->bytes / target->height - row;
    const uint32_t head =
        (step->pad_top * (uint32_t)target->width + step->pad_left) *
        (target->bytes / ((uint32_t)target->height * target->width));
    const uint8_t *end = out + target->bytes;
    memset(out, zero, head);
    out += head;
    for (uint32_t y = 0; y < source->height; y++) {
        memcpy(out, in, row);
        in += row;
        out += row;
        const uint32_t left = (uint32_t)(end - out);
        const uint32_t gap = y + 1u < source->height ? between : left;
        memset(out, zero, gap);
        out += gap;
    }
}
