#include <stddef.h>

#include "arm_nnsupportfunctions.h"
#include "dsp.h"
#include "fixed_point.h"
#include "own.h"

/* A group of a convolution: a slice of the channels of input and output. The pinned CMSIS-NN has no
 * kernel for it. Windows are gathered as bytes, two at a time, and multiplied with two filters at a
 * time, so that each word that is read serves twice. */
struct group {
    const struct plan_step *step;
    const struct plan_tensor *source, *target;
    const int8_t *in; /* the group's first channel */
    const int8_t *weights;
    const int32_t *bias, *multipliers, *shifts;
    uint32_t in_channels, out_channels;
    uint32_t count; /* of the elements of a window */
    int8_t *columns; /* what two windows hold */
};

static uint32_t window_elements(const struct plan *plan, const struct plan_step *step) {
    const uint32_t channels = plan->tensors[step->input0].channels / step->groups;
    return (uint32_t)step->kernel_h * step->kernel_w * channels;
}

uint32_t own_grouped_convolution_scratch_bytes(const struct plan *plan,
                                               const struct plan_step *step) {
    return 2u * window_elements(plan, step);
}

static void copy(const int8_t *from, int8_t *to, uint32_t count) {
    for (; count >= 4u; count -= 4u) {
        write_word(to, read_word(from));
        from += 4;
        to += 4;
    }
    for (; count != 0; count--) {
        *to++ = *from++;
    }
}

static void fill(int32_t value, int8_t *to, uint32_t count) {
    for (; count >= 4u; count -= 4u) {
        write_word(to, word_of(value));
        to += 4;
    }
    for (; count != 0; count--) {
        *to++ = (int8_t)value;
    }
}

/* What the window at this place holds, the zero point beyond the edges. */
static void gather(const struct group *g, int32_t top, int32_t left, int8_t *column) {
    const struct plan_step *step = g->step;
    const uint32_t height = g->source->height, width = g->source->width;
    const uint32_t pitch = g->source->channels, channels = g->in_channels;
    for (uint32_t ky = 0; ky < step->kernel_h; ky++) {
        const uint32_t y = (uint32_t)top + ky * step->dilation_h; /* wraps around above the image */
        uint32_t x = (uint32_t)left;
        for (uint32_t kx = 0; kx < step->kernel_w; kx++) {
            if (y < height && x < width) {
                copy(g->in + (y * width + x) * pitch, column, channels);
            } else {
                fill(g->source->zero_point, column, channels);
            }
            x += step->dilation_w;
            column += channels;
        }
    }
}

static inline int32_t products(uint32_t even, uint32_t odd, uint32_t even_weights,
                               uint32_t odd_weights, int32_t sum) {
    return add_products(add_products(sum, even, even_weights), odd, odd_weights);
}

/* Inner products of two columns, `apart` elements from each other, with `filters` (1 or 2) filters,
 * of which the second follows the first: sums[2 * filter + column]. */
static inline __attribute__((always_inline)) void multiply(const int8_t *column,
                                                           ptrdiff_t apart, const int8_t *weights,
                                                           uint32_t count, uint32_t zeros,
                                                           uint32_t filters, int32_t *sums) {
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    for (const int8_t *end = weights + (count & ~3u); weights != end; weights += 4) {
        const uint32_t a = read_word(column), b = read_word(column + apart);
        const uint32_t a02 = add_even_bytes(zeros, a), a13 = add_odd_bytes(zeros, a);
        const uint32_t b02 = add_even_bytes(zeros, b), b13 = add_odd_bytes(zeros, b);
        const uint32_t v = read_word(weights);
        const uint32_t v02 = even_bytes(v), v13 = odd_bytes(v);
        s0 = products(a02, a13, v02, v13, s0);
        s1 = products(b02, b13, v02, v13, s1);
        if (filters == 2u) {
            const uint32_t w = read_word(weights + count);
            const uint32_t w02 = even_bytes(w), w13 = odd_bytes(w);
            s2 = products(a02, a13, w02, w13, s2);
            s3 = products(b02, b13, w02, w13, s3);
        }
        column += 4;
    }
    for (uint32_t left = count & 3u; left != 0; left--) {
        const int32_t a = *column + low_half(zeros), b = column[apart] + low_half(zeros);
        s0 = add_wrapping(s0, a * *weights);
        s1 = add_wrapping(s1, b * *weights);
        if (filters == 2u) {
            s2 = add_wrapping(s2, a * weights[count]);
            s3 = add_wrapping(s3, b * weights[count]);
        }
        column++;
        weights++;
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

/* Not inlined: the loop over the channels is to fit the instruction caches, which hold 1 KiB. */
static __attribute__((noinline)) int32_t result(const struct group *g, uint32_t channel,
                                                int32_t sum) {
    const int32_t scaled = arm_nn_requantize(sum, g->multipliers[channel], g->shifts[channel]);
    return clamp(add_wrapping(scaled, g->target->zero_point), g->step->activation_min,
                 g->step->activation_max);
}

static int32_t bias_of(const struct group *g, uint32_t channel) {
    return g->bias == NULL ? 0 : g->bias[channel];
}

/* What two windows hold, and the pixels that become of them. */
struct pair {
    const int8_t *columns[2];
    int8_t *pixels[2];
};

static void run_pair(const struct group *g, const struct pair *pair) {
    const uint32_t zeros = pair_of(-g->source->zero_point);
    const uint32_t count = g->count, channels = g->out_channels;
    const int8_t *column = pair->columns[0], *weights = g->weights;
    const ptrdiff_t apart = pair->columns[1] - column;
    uint32_t c = 0;
    for (; c + 2u <= channels; c += 2u) {
        const int32_t bias = bias_of(g, c), other = bias_of(g, c + 1u);
        int32_t sums[] = {bias, bias, other, other};
        multiply(column, apart, weights, count, zeros, 2, sums);
        for (uint32_t i = 0; i < 2u; i++) {
            pair->pixels[0][c + i] = (int8_t)result(g, c + i, sums[2u * i]);
            pair->pixels[1][c + i] = (int8_t)result(g, c + i, sums[2u * i + 1u]);
        }
        weights += 2u * count;
    }
    if (c < channels) {
        const int32_t bias = bias_of(g, c);
        int32_t sums[] = {bias, bias, 0, 0};
        multiply(column, apart, weights, count, zeros, 1, sums);
        pair->pixels[0][c] = (int8_t)result(g, c, sums[0]);
        pair->pixels[1][c] = (int8_t)result(g, c, sums[1]);
    }
}

/* Where what a window holds lies together: in the input itself, or in a copy. */
static const int8_t *column_of(const struct group *g, int32_t top, int32_t left, int8_t *copied) {
    const bool whole = g->count == g->in_channels && top >= 0 && left >= 0 &&
                       top < g->source->height && left < g->source->width;
    if (whole) {
        return g->in + (uint32_t)(top * g->source->width + left) * g->source->channels;
    }
    gather(g, top, left, copied);
    return copied;
}

static void run_group(const struct group *g, int8_t *out) {
    const struct plan_step *step = g->step;
    struct pair pair;
    uint32_t waiting = 0; /* windows of the pair that are there */
    for (int32_t y = 0; y < g->target->height; y++) {
        for (int32_t x = 0; x < g->target->width; x++) {
            pair.columns[waiting] = column_of(g, y * step->stride_h - step->pad_top,
                                              x * step->stride_w - step->pad_left,
                                              g->columns + waiting * g->count);
            pair.pixels[waiting++] = out;
            if (waiting == 2u) {
                run_pair(g, &pair);
                waiting = 0;
            }
            out += g->target->channels;
        }
    }
    if (waiting != 0) {
        /* The last of an odd number of pixels, twice. */
        pair.columns[1] = pair.columns[0];
        pair.pixels[1] = pair.pixels[0];
        run_pair(g, &pair);
    }
}

/* ConvPerChannel of tensorflow/lite/kernels/internal/reference/integer_ops/conv.h. */
void own_grouped_convolution(const struct plan *plan, const struct plan_step *step) {
    struct group g = {
        .step = step,
        .source = &plan->tensors[step->input0],
        .target = &plan->tensors[step->output],
        .in = plan_data(plan, step->input0),
        .weights = plan_data(plan, step->weights),
        .bias = step->bias == PLAN_NO_TENSOR ? NULL : plan_data(plan, step->bias),
        .multipliers = plan_data(plan, step->multipliers),
        .shifts = plan_data(plan, step->shifts),
        .count = window_elements(plan, step),
        .columns = (int8_t *)plan->arena + step->scratch_offset,
    };
    g.in_channels = g.source->channels / step->groups;
    g.out_channels = g.target->channels / step->groups;
    int8_t *out = output_of(plan, step);
    for (uint32_t i = 0; i < step->groups; i++) {
        run_group(&g, out);
        g.in += g.in_channels;
        g.weights += g.count * g.out_channels;
        g.bias = g.bias == NULL ? NULL : g.bias + g.out_channels;
        g.multipliers += g.out_channels;
        g.shifts += g.out_channels;
        out += g.out_channels;
    }
}
