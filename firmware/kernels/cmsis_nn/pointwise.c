/* What makes of each int8 element another. There are but 256 of them: from some number of elements
 * on it is faster to compute all 256 and to look up, and then all values take equally long. */
#include "dsp.h"
#include "exponential.h"
#include "own.h"

#define VALUES 256u
/* Computing all values and looking up costs less from here on, for the cheapest of the kernels. */
#define LEAST_FOR_TABLE 512u
/* Integer bits of what logistic and tanh take. */
#define SIGMOID_INTEGER_BITS 4u

/* A copy of what a function needs: the output might be the plan, for all the compiler knows. */
struct pointwise {
    int32_t p[4];
    int32_t in_zero, out_zero;
    int32_t low, high;
};

typedef int32_t (*function)(int32_t x, const struct pointwise *of);

static void look_up(const int8_t *in, int8_t *out, uint32_t count, const int8_t *table) {
    uint32_t i = 0;
    for (; i + 4u <= count; i += 4u) {
        const uint32_t word = read_word(in + i);
        write_word(out + i, pack_bytes(table[word & 0xFFu], table[word >> 8 & 0xFFu],
                                       table[word >> 16 & 0xFFu], table[word >> 24]));
    }
    for (; i < count; i++) {
        out[i] = table[(uint8_t)in[i]];
    }
}

/* Inlined with its function into each kernel. */
static inline __attribute__((always_inline)) void map(const struct plan *plan,
                                                      const struct plan_step *step, function f) {
    const struct plan_tensor *source = &plan->tensors[step->input0];
    const struct pointwise of = {{step->p[0], step->p[1], step->p[2], step->p[3]},
                                 source->zero_point,
                                 plan->tensors[step->output].zero_point,
                                 step->activation_min,
                                 step->activation_max};
    const int8_t *in = plan_data(plan, step->input0);
    int8_t *out = output_of(plan, step);
    int8_t table[VALUES];
    const bool tabulated = source->bytes >= LEAST_FOR_TABLE;
    if (tabulated) {
        for (uint32_t i = 0; i < VALUES; i++) {
            table[i] = (int8_t)i;
        }
    }
    const int8_t *from = tabulated ? table : in;
    int8_t *to = tabulated ? table : out;
    const uint32_t count = tabulated ? VALUES : source->bytes;
    for (uint32_t i = 0; i < count; i++) {
        to[i] = (int8_t)clamp(f(from[i] - of.in_zero, &of), of.low, of.high);
    }
    if (tabulated) {
        look_up(in, out, source->bytes, table);
    }
}

static inline int32_t rescaled(int32_t x, const struct pointwise *of) {
    return add_wrapping(rescale(x, of->p[RESCALE_MULTIPLIER], of->p[RESCALE_SHIFT]), of->out_zero);
}

/* ReluQuantized of tensorflow/lite/micro/kernels/activations_common.cc; relu6 differs by its
 * bounds, which are in the plan. */
void own_relu(const struct plan *plan, const struct plan_step *step) {
    map(plan, step, rescaled);
}

/* Requantize of tensorflow/lite/kernels/internal/reference/requantize.h. */
void own_requantize(const struct plan *plan, const struct plan_step *step) {
    map(plan, step, rescaled);
}

static inline int32_t leaky(int32_t x, const struct pointwise *of) {
    const int32_t *p = of->p;
    const int32_t multiplier = x >= 0 ? p[LEAKY_IDENTITY_MULTIPLIER] : p[LEAKY_MULTIPLIER];
    const int32_t shift = x >= 0 ? p[LEAKY_IDENTITY_SHIFT] : p[LEAKY_SHIFT];
    return add_wrapping(rescale(x, multiplier, shift), of->out_zero);
}

/* QuantizeLeakyRelu of tensorflow/lite/kernels/internal/reference/leaky_relu.h. */
void own_leaky_relu(const struct plan *plan, const struct plan_step *step) {
    map(plan, step, leaky);
}

/* gemmlowp's logistic, from Q4 to Q0. */
static inline int32_t logistic_of(int32_t x) {
    const int32_t negative = x > 0 ? -x : x;
    const int32_t positive = one_over_one_plus(exp_of_negative(negative, SIGMOID_INTEGER_BITS));
    return x == 0 ? 1 << 30 : x > 0 ? positive : Q0_ONE - positive;
}

/* gemmlowp's tanh, from Q4 to Q0: twice the argument is the same number in Q5. */
static inline int32_t tanh_of(int32_t x) {
    const int32_t negative = x > 0 ? -x : x;
    const int32_t positive =
        one_minus_over_one_plus(exp_of_negative(negative, SIGMOID_INTEGER_BITS + 1u));
    return x == 0 ? 0 : x > 0 ? positive : -positive;
}

static inline int32_t sigmoid_input(int32_t x, const struct pointwise *of) {
    return rescale(x, of->p[SIGMOID_MULTIPLIER], of->p[SIGMOID_SHIFT]);
}

/* What was computed, or the end of the range where `x` is beyond the radius. */
static inline int32_t within_radius(int32_t x, const struct pointwise *of, int32_t value) {
    const int32_t radius = of->p[SIGMOID_RADIUS];
    return x <= -radius ? INT8_MIN : x >= radius ? INT8_MAX : value;
}

static inline int32_t logistic_value(int32_t x, const struct pointwise *of) {
    const int32_t value = computed(logistic_of(sigmoid_input(x, of)));
    return within_radius(x, of, shift_right_rounding(value, 31 - 8) + INT8_MIN);
}

/* Logistic of tensorflow/lite/kernels/internal/reference/integer_ops/logistic.h. */
void own_logistic(const struct plan *plan, const struct plan_step *step) {
    map(plan, step, logistic_value);
}

static inline int32_t tanh_value(int32_t x, const struct pointwise *of) {
    const int32_t value = computed(tanh_of(sigmoid_input(x, of)));
    return within_radius(x, of, shift_right_rounding(value, 31 - 7));
}

/* Tanh of tensorflow/lite/kernels/internal/reference/integer_ops/tanh.h. */
void own_tanh(const struct plan *plan, const struct plan_step *step) {
    map(plan, step, tanh_value);
}

static inline int32_t saturate_short(int64_t x) {
    return (int32_t)(x < INT16_MIN ? INT16_MIN : x > INT16_MAX ? INT16_MAX : x);
}

/* gemmlowp's SaturatingRoundingDoublingHighMul of 16 bits; b is not negative. */
static inline int32_t short_product(int32_t a, int32_t b) {
    const int32_t product = a * b;
    return (product + (product >= 0 ? 1 << 14 : 1 - (1 << 14))) / (1 << 15);
}

/* The factor between 0 and 1, in 15 bits: (x + 3) / 6 within its bounds. */
static inline int32_t swish_factor(int32_t hires, const struct pointwise *of) {
    const int32_t exponent = of->p[SWISH_FACTOR_EXPONENT];
    int32_t value = hires;
    if (exponent > 0) {
        value = saturate_short((int64_t)value * (1 << (exponent - 1)));
    }
    value = short_product(value, of->p[SWISH_FACTOR_MULTIPLIER]);
    if (exponent > 0) {
        value = saturate_short(value * 2);
    } else {
        value = shift_right_rounding(value, -exponent);
    }
    return (value + (1 << 15)) >> 1;
}

static inline int32_t hard_swish_value(int32_t x, const struct pointwise *of) {
    const int32_t hires = x * (1 << 7);
    const int32_t scaled = short_product(hires, of->p[SWISH_OUTPUT_MULTIPLIER]);
    /* Rounded to zero on purpose, as the original's comment tells. */
    const int32_t product = swish_factor(hires, of) * scaled / (1 << 15);
    return shift_right_rounding(product, -of->p[SWISH_OUTPUT_SHIFT]) + of->out_zero;
}

/* HardSwish of tensorflow/lite/kernels/internal/reference/hard_swish.h. */
void own_hard_swish(const struct plan *plan, const struct plan_step *step) {
    map(plan, step, hard_swish_value);
}
