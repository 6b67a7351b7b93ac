#include "float32.h"
#include "walk.h"

/* Output channels that are taken at a time. */
#define LANES 4u

struct depthwise {
    const float *in, *weights;
    float *out;
    uint32_t in_row, in_tap, filter_row; /* elements from row to row and from tap to tap */
    uint32_t channels, multiplier;       /* of the output */
    struct finish finish;
};

/* Some neighbouring channels. */
static inline __attribute__((always_inline)) void run(const struct depthwise *d,
                                                      const struct place *place, uint32_t channel,
                                                      uint32_t lanes, uint32_t multiplier) {
    const uint32_t first = channel / multiplier;
    const float *in_row = d->in + place->in + first;
    const float *filter_row = d->weights + place->tap * d->channels + channel;
    const struct finish finish = d->finish;
    uint32_t from[LANES]; /* input channels, from the first on */
    float sums[LANES];
    for (uint32_t i = 0; i < lanes; i++) {
        from[i] = multiplier == 1u ? i : (channel + i) / multiplier - first;
        sums[i] = 0.0f;
    }
    for (uint32_t y = place->rows; y != 0; y--) {
        const float *in = in_row, *filter = filter_row;
        for (uint32_t x = place->columns; x != 0; x--) {
            for (uint32_t i = 0; i < lanes; i++) {
                sums[i] += in[from[i]] * filter[i];
            }
            in += d->in_tap;
            filter += d->channels;
        }
        in_row += d->in_row;
        filter_row += d->filter_row;
    }
    float *out = d->out + place->out + channel;
    for (uint32_t i = 0; i < lanes; i++) {
        out[i] = finished(sums[i], &finish, channel + i);
    }
}

static void visit(const void *layer, const struct place *place) {
    const struct depthwise *d = layer;
    uint32_t c = 0;
    if (d->multiplier == 1u) { /* then inputs are neighbours, too */
        for (; c + LANES <= d->channels; c += LANES) {
            run(d, place, c, LANES, 1);
        }
    }
    for (; c + LANES <= d->channels; c += LANES) {
        run(d, place, c, LANES, d->multiplier);
    }
    for (; c < d->channels; c++) {
        run(d, place, c, 1, d->multiplier);
    }
}

/* DepthwiseConv of tensorflow/lite/kernels/internal/reference/depthwiseconv_float.h. */
void float32_depthwise_conv2d(const struct plan *plan, const struct plan_step *step) {
    const struct plan_tensor *in = &plan->tensors[step->input0];
    const uint32_t channels = plan->tensors[step->output].channels;
    const struct depthwise d = {
        .in = plan_data(plan, step->input0),
        .weights = plan_data(plan, step->weights),
        .out = output_of(plan, step),
        .in_row = (uint32_t)step->dilation_h * in->width * in->channels,
        .in_tap = step->dilation_w * in->channels,
        .filter_row = step->kernel_w * channels,
        .channels = channels,
        .multiplier = step->depth_multiplier,
        .finish = finish_of(plan, step),
    };
    walk(plan, step, 1, visit, &d);
}
