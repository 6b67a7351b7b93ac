#include <string.h>

#include "own.h"

/* PadImpl of tensorflow/lite/kernels/internal/reference/pad.h. What lies between one row of the
 * input and the next, to the right and to the left, is filled at once. */
void own_pad(const struct plan *plan, const struct plan_step *step) {
    const struct plan_tensor *source = &plan->tensors[step->input0];
    const struct plan_tensor *target = &plan->tensors[step->output];
    const int8_t *in = plan_data(plan, step->input0);
    int8_t *out = output_of(plan, step);
    const int zero = target->zero_point;
    const uint32_t row = source->width * source->channels;
    const uint32_t between = target->width * target->channels - row;
    const uint32_t head =
        (step->pad_top * (uint32_t)target->width + step->pad_left) * target->channels;
    const int8_t *end = out + target->bytes;
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
