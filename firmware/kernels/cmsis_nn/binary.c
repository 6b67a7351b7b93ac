/* Sum, difference and product of two operands, one of which may be repeated: a vector of one value
 * a channel, or a single value. */
#include "dsp.h"
#include "fixed_point.h"
#include "own.h"

/* What is repeated is laid out in a buffer once, so that rows are not shorter than this even where
 * there are few channels. */
#define REPEATED_BYTES 128u

/* An operand along the rows of the output. */
struct operand {
    const int8_t *data;
    uint32_t row; /* elements from one row to the next */
    int8_t repeated[REPEATED_BYTES];
};

typedef void (*row_function)(const void *how, const int8_t *a, const int8_t *b, int8_t *out,
                             uint32_t count);

/* Elements of a row: as many as of the output, or whole repetitions of the smaller operand. */
static uint32_t row_elements(const struct plan_tensor *t0, const struct plan_tensor *t1,
                             const struct plan_tensor *out) {
    const uint32_t smaller = t0->bytes < t1->bytes ? t0->bytes : t1->bytes;
    if (smaller == out->bytes || smaller >= REPEATED_BYTES) {
        return smaller;
    }
    return REPEATED_BYTES - REPEATED_BYTES % smaller;
}

static void prepare(const struct plan *plan, uint16_t tensor, const struct plan_tensor *out,
                    uint32_t count, struct operand *operand) {
    const struct plan_tensor *t = &plan->tensors[tensor];
    operand->data = plan_data(plan, tensor);
    operand->row = t->bytes == out->bytes ? count : 0;
    if (t->bytes == out->bytes || t->bytes >= REPEATED_BYTES) {
        return;
    }
    for (uint32_t i = 0, from = 0; i < count; i++) {
        operand->repeated[i] = operand->data[from++];
        from = from == t->bytes ? 0 : from;
    }
    operand->data = operand->repeated;
}

static void run_rows(const struct plan *plan, const struct plan_step *step, const void *how,
                     row_function run) {
    const struct plan_tensor *t = &plan->tensors[step->output];
    const uint32_t count =
        row_elements(&plan->tensors[step->input0], &plan->tensors[step->input1], t);
    struct operand a, b;
    prepare(plan, step->input0, t, count, &a);
    prepare(plan, step->input1, t, count, &b);
    int8_t *out = output_of(plan, step);
    for (uint32_t left = t->bytes; left != 0;) {
        const uint32_t now = left < count ? left : count;
        run(how, a.data, b.data, out, now);
        a.data += a.row;
        b.data += b.row;
        out += now;
        left -= now;
    }
}

/* A multiplier and a shift to the right: the double of a number times `multiplier` / 2^32, then
 * rounded half away from zero to 2^right. */
struct factor {
    int32_t multiplier;
    int32_t half;
    int32_t right; /* 1 or more */
};

static struct factor factor_of(int32_t multiplier, int32_t shift) {
    return (struct factor){multiplier, 1 << (-shift - 1), -shift};
}

static inline int32_t apply(int32_t twice, const struct factor *factor) {
    const int32_t high = add_high_product(factor->half, twice, factor->multiplier);
    return (high + (twice >> 31)) >> factor->right;
}

/* An operand of a sum: shifted by 20 bits, less its zero point, and scaled. */
struct addend {
    int32_t zero; /* shifted by `left` */
    int32_t left; /* 21, since the factor takes the double */
    struct factor factor;
};

struct sum {
    struct addend addends[2];
    struct factor factor;
    int32_t zero;
    int32_t low, high;
};

static inline int32_t addend_value(int32_t x, const struct addend *addend) {
    return apply(shift_left(x, addend->left) - addend->zero, &addend->factor);
}

static inline int32_t sum_value(int32_t x, int32_t y, const struct sum *how, bool subtracts) {
    const int32_t a = addend_value(x, &how->addends[0]);
    const int32_t b = addend_value(y, &how->addends[1]);
    return saturate(apply((subtracts ? a - b : a + b) * 2, &how->factor) + how->zero);
}

static inline __attribute__((always_inline)) void sum_row(const struct sum *how, const int8_t *a,
                                                          const int8_t *b, int8_t *out,
                                                          uint32_t count, bool subtracts) {
    const struct sum sum = *how;
    const uint32_t low = word_of(sum.low), high = word_of(sum.high);
    uint32_t i = 0;
    for (; i + 4u <= count; i += 4u) {
        const uint32_t x = read_word(a + i), y = read_word(b + i);
        const uint32_t sums =
            pack_bytes(sum_value(byte_of(x, 0), byte_of(y, 0), &sum, subtracts),
                       sum_value(byte_of(x, 1), byte_of(y, 1), &sum, subtracts),
                       sum_value(byte_of(x, 2), byte_of(y, 2), &sum, subtracts),
                       sum_value(byte_of(x, 3), byte_of(y, 3), &sum, subtracts));
        write_word(out + i, smaller_bytes(larger_bytes(sums, low), high));
    }
    for (; i < count; i++) {
        const int32_t value = sum_value(a[i], b[i], &sum, subtracts);
        out[i] = (int8_t)clamp(value, sum.low, sum.high);
    }
}

static void add_row(const void *how, const int8_t *a, const int8_t *b, int8_t *out,
                    uint32_t count) {
    sum_row(how, a, b, out, count, false);
}

static void sub_row(const void *how, const int8_t *a, const int8_t *b, int8_t *out,
                    uint32_t count) {
    sum_row(how, a, b, out, count, true);
}

#define LEFT_SHIFT 20
#define HALF (1 << 30)

/* A shift of 0 is TensorFlow Lite's for the factor 1/2 only, which the next shift makes exact. */
static bool addend_of(const struct plan_tensor *t, int32_t multiplier, int32_t shift,
                      struct addend *addend) {
    const bool half = shift == 0 && multiplier == HALF;
    addend->left = LEFT_SHIFT + (half ? 2 : 1);
    addend->zero = shift_left(t->zero_point, addend->left);
    if (half) {
        shift = -1;
    }
    if (shift == 0) {
        return false;
    }
    addend->factor = factor_of(multiplier, shift);
    return true;
}

/* The formula as it stands in TensorFlow Lite, for factors that it never gives. */
struct plain_sum {
    const int32_t *p;
    int32_t zeros[2];
    int32_t zero;
    int32_t low, high;
    bool subtracts;
};

static int32_t plain_addend(int32_t x, int32_t multiplier, int32_t shift) {
    return shift_right_rounding(high_product(shift_left(x, LEFT_SHIFT), multiplier), -shift);
}

static void plain_sum_row(const void *how, const int8_t *a, const int8_t *b, int8_t *out,
                          uint32_t count) {
    const struct plain_sum *sum = how;
    const int32_t *p = sum->p;
    for (uint32_t i = 0; i < count; i++) {
        const int32_t x = plain_addend(a[i] - sum->zeros[0], p[ADD_MULTIPLIER0], p[ADD_SHIFT0]);
        const int32_t y = plain_addend(b[i] - sum->zeros[1], p[ADD_MULTIPLIER1], p[ADD_SHIFT1]);
        const int32_t high = high_product(sum->subtracts ? x - y : x + y,
                                          p[ADD_OUTPUT_MULTIPLIER]);
        const int32_t value = shift_right_rounding(high, -p[ADD_OUTPUT_SHIFT]) + sum->zero;
        out[i] = (int8_t)clamp(value, sum->low, sum->high);
    }
}

static void run_sum(const struct plan *plan, const struct plan_step *step, bool subtracts) {
    const struct plan_tensor *t0 = &plan->tensors[step->input0];
    const struct plan_tensor *t1 = &plan->tensors[step->input1];
    const int32_t *p = step->p;
    const int32_t zero = plan->tensors[step->output].zero_point;
    struct sum sum = {.zero = zero, .low = step->activation_min, .high = step->activation_max};
    if (p[ADD_OUTPUT_SHIFT] == 0 ||
        !addend_of(t0, p[ADD_MULTIPLIER0], p[ADD_SHIFT0], &sum.addends[0]) ||
        !addend_of(t1, p[ADD_MULTIPLIER1], p[ADD_SHIFT1], &sum.addends[1])) {
        const struct plain_sum plain = {p, {t0->zero_point, t1->zero_point}, zero, sum.low,
                                        sum.high, subtracts};
        run_rows(plan, step, &plain, plain_sum_row);
        return;
    }
    sum.factor = factor_of(p[ADD_OUTPUT_MULTIPLIER], p[ADD_OUTPUT_SHIFT]);
    run_rows(plan, step, &sum, subtracts ? sub_row : add_row);
}

/* AddElementwise and BroadcastAdd6DSlow of
 * tensorflow/lite/kernels/internal/reference/integer_ops/add.h. */
void own_add(const struct plan *plan, const struct plan_step *step) {
    run_sum(plan, step, false);
}

/* SubElementwise and BroadcastQuantSubSlow of tensorflow/lite/kernels/internal/reference/sub.h. */
void own_sub(const struct plan *plan, const struct plan_step *step) {
    run_sum(plan, step, true);
}

struct product {
    uint32_t zeros[2]; /* pairs, negative; those of the second operand twice */
    struct factor factor;
    int32_t multiplier, shift;
    int32_t zero;
    int32_t low, high;
};

static void product_row(const void *how, const int8_t *a, const int8_t *b, int8_t *out,
                        uint32_t count) {
    const struct product product = *(const struct product *)how;
    const struct factor factor = product.factor;
    const uint32_t zero0 = product.zeros[0], zero1 = product.zeros[1];
    const uint32_t low = word_of(product.low), high = word_of(product.high);
    const int32_t zero = product.zero;
    uint32_t i = 0;
    for (; i + 4u <= count; i += 4u) {
        const uint32_t x = read_word(a + i), y = read_word(b + i);
        const uint32_t x02 = add_even_bytes(zero0, x), x13 = add_odd_bytes(zero0, x);
        const uint32_t y02 = add_even_bytes(add_even_bytes(zero1, y), y);
        const uint32_t y13 = add_odd_bytes(add_odd_bytes(zero1, y), y);
        const uint32_t products =
            pack_bytes(saturate(apply(low_half(x02) * low_half(y02), &factor) + zero),
                       saturate(apply(low_half(x13) * low_half(y13), &factor) + zero),
                       saturate(apply(high_half(x02) * high_half(y02), &factor) + zero),
                       saturate(apply(high_half(x13) * high_half(y13), &factor) + zero));
        write_word(out + i, smaller_bytes(larger_bytes(products, low), high));
    }
    for (; i < count; i++) {
        const int32_t twice = (a[i] + low_half(zero0)) *
                              (2 * b[i] + low_half(zero1));
        out[i] = (int8_t)clamp(apply(twice, &factor) + zero, product.low, product.high);
    }
}

/* For factors of 1/2 and more, which trained networks have not. */
static void plain_product_row(const void *how, const int8_t *a, const int8_t *b, int8_t *out,
                              uint32_t count) {
    const struct product *product = how;
    for (uint32_t i = 0; i < count; i++) {
        const int32_t x = a[i] + low_half(product->zeros[0]);
        const int32_t y = b[i] + low_half(product->zeros[1]) / 2;
        const int32_t value = rescale(x * y, product->multiplier, product->shift);
        out[i] = (int8_t)clamp(add_wrapping(value, product->zero), product->low, product->high);
    }
}

/* MulElementwise and BroadcastMul6DSlow of
 * tensorflow/lite/kernels/internal/reference/integer_ops/mul.h. */
void own_mul(const struct plan *plan, const struct plan_step *step) {
    const int32_t multiplier = step->p[RESCALE_MULTIPLIER], shift = step->p[RESCALE_SHIFT];
    struct product product = {
        .zeros = {pair_of(-plan->tensors[step->input0].zero_point),
                  pair_of(-2 * plan->tensors[step->input1].zero_point)},
        .multiplier = multiplier,
        .shift = shift,
        .zero = plan->tensors[step->output].zero_point,
        .low = step->activation_min,
        .high = step->activation_max,
    };
    if (shift < 0) {
        product.factor = factor_of(multiplier, shift);
    }
    run_rows(plan, step, &product, shift < 0 ? product_row : plain_product_row);
}
