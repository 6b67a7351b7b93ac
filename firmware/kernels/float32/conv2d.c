#include "products.h"
#include "walk.h"

/* Pixels that share what is loaded of a filter. */
#define PIXELS 4u

/* A group of channels of a convolution. */
struct group {
    const float *in, *weights;
    float *out;
    uint32_t channels;      /* of it, in the input */
    struct filters filters; /* but for what depends on the place */
};

static void visit(const void *layer, const struct place *place) {
    const struct group *g = layer;
    struct filters filters = g->filters;
    filters.rows = place->rows;
    filters.runs = place->columns;
    filters.window.data = g->in + place->in;
    filters.filter.data = g->weights + place->tap * g->channels;
    if (filters.window.run == filters.filter.run) { /* a row of taps lies together */
        filters.length *= filters.runs;
        filters.runs = 1;
    }
    if (place->pixels == PIXELS) {
        filters_over_four(&filters, place->in_apart, g->out + place->out, place->out_apart);
    } else {
        filters_over_one(&filters, g->out + place->out);
    }
}

/* Conv of tensorflow/lite/kernels/internal/reference/conv.h. */
void float32_conv2d(const struct plan *plan, const struct plan_step *step) {
    const struct plan_tensor *in = &plan->tensors[step->input0];
    const uint32_t channels = in->channels / step->groups;
    const uint32_t filters = plan->tensors[step->output].channels / step->groups;
    struct group g = {
        .in = plan_data(plan, step->input0),
        .weights = plan_data(plan, step->weights),
        .out = output_of(plan, step),
        .channels = channels,
        .filters = {
            .length = channels,
            .window = {
                .row = (uint32_t)step->dilation_h * in->width * in->channels,
                .run = step->dilation_w * in->channels,
            },
            .filter = {.row = step->kernel_w * channels, .run = channels},
            .count = filters,
            .apart = step->kernel_h * step->kernel_w * channels,
            .finish = finish_of(plan, step),
        },
    };
    for (uint32_t i = 0; i < step->groups; i++) {
        walk(plan, step, PIXELS, visit, &g);
        g.in += channels;
        g.weights += filters * g.filters.apart;
        g.out += filters;
        g.filters.finish.bias += filters * g.filters.finish.bias_step;
    }
}
