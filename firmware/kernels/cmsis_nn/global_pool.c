#include "dsp.h"
#include "fixed_point.h"
#include "own.h"

/* So many int8 values add up in 16 bits. */
#define PIXELS_A_BLOCK 255u
/* Of a word, which four channels make. */
#define LANES 4u

static void add_lanes(const int8_t *in, uint32_t pixels, uint32_t channels, int32_t *sums) {
    while (pixels != 0) {
        const uint32_t block = pixels < PIXELS_A_BLOCK ? pixels : PIXELS_A_BLOCK;
        uint32_t even = 0, odd = 0;
        for (uint32_t i = 0; i < block; i++) {
            const uint32_t word = read_word(in);
            even = add_even_bytes(even, word);
            odd = add_odd_bytes(odd, word);
            in += channels;
        }
        sums[0] += low_half(even);
        sums[1] += low_half(odd);
        sums[2] += high_half(even);
        sums[3] += high_half(odd);
        pixels -= block;
    }
}

static int32_t sum_of(const int8_t *in, uint32_t pixels, uint32_t channels) {
    int32_t sum = 0;
    for (uint32_t i = 0; i < pixels; i++) {
        sum += *in;
        in += channels;
    }
    return sum;
}

/* Mean of tensorflow/lite/kernels/internal/reference/integer_ops/mean.h. The
 * plan's factor holds the division by the number of pixels. */
void own_global_average_pool(const struct plan *plan, const struct plan_step *step) {
    const struct plan_tensor *source = &plan->tensors[step->input0];
    const int8_t *in = plan_data(plan, step->input0);
    int8_t *out = output_of(plan, step);
    const uint32_t pixels = (uint32_t)source->height * source->width;
    const uint32_t channels = source->channels;
    const int32_t zeros = (int32_t)pixels * source->zero_point;
    const int32_t out_zero = plan->tensors[step->output].zero_point;
    for (uint32_t c = 0; c < channels;) {
        const uint32_t lanes = channels - c < LANES ? 1u : LANES;
        int32_t sums[LANES] = {0};
        if (lanes == LANES) {
            add_lanes(in + c, pixels, channels, sums);
        } else {
            sums[0] = sum_of(in + c, pixels, channels);
        }
        for (uint32_t i = 0; i < lanes; i++) {
            const int32_t mean = rescale(sums[i] - zeros, step->p[RESCALE_MULTIPLIER],
                                         step->p[RESCALE_SHIFT]);
            out[c++] = (int8_t)clamp(add_wrapping(mean, out_zero), step->activation_min,
                                     step->activation_max);
        }
    }
}

/* QuantizedReduceMax of tensorflow/lite/micro/kernels/reduce_common.cc, which wants one
 * quantization on both sides. */
void own_global_max_pool(const struct plan *plan, const struct plan_step *step) {
    const struct plan_tensor *source = &plan->tensors[step->input0];
    const int8_t *in = plan_data(plan, step->input0);
    int8_t *out = output_of(plan, step);
    const uint32_t channels = source->channels;
    const uint32_t pixels = (uint32_t)source->height * source->width;
    uint32_t c = 0;
    for (; c + LANES <= channels; c += LANES) {
        const int8_t *value = in + c;
        uint32_t largest = read_word(value);
        for (uint32_t i = 1; i < pixels; i++) {
            value += channels;
            largest = larger_bytes(largest, read_word(value));
        }
        write_word(out + c, largest);
    }
    for (; c < channels; c++) {
        int8_t largest = in[c];
        for (uint32_t i = 1; i < pixels; i++) {
            const int8_t value = in[i * channels + c];
            largest = value > largest ? value : largest;
        }
        out[c] = largest;
    }
}
