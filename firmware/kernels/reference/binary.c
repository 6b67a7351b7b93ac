/* Sum, difference and product of two operands, one of which may be repeated: a vector of one value
 * a channel, or a single value. */
#include "fixed_point.h"
#include "reference.h"

/* An operand and the elements from one value that it gives to the next, in a pixel, and from a pixel
 * to the next. */
struct operand {
    const int8_t *data;
    uint32_t step;
    uint32_t pixel;
    int32_t zero;
};

static struct operand operand_of(const struct plan *plan, uint16_t tensor,
                                 const struct plan_tensor *out) {
    const struct plan_tensor *t = &plan->tensors[tensor];
    return (struct operand){plan_data(plan, tensor), t->bytes != 1u,
                            t->bytes == out->bytes ? out->channels : 0, t->zero_point};
}

typedef int32_t (*function)(int32_t a, int32_t b, const struct plan_step *step);

/* Inlined with its function into each kernel. */
static inline __attribute__((always_inline)) void combine(const struct plan *plan,
                                                          const struct plan_step *step,
                                                          function f) {
    const struct plan_step s = *step;
    const struct plan_tensor target = plan->tensors[s.output];
    struct operand a = operand_of(plan, s.input0, &target);
    struct operand b = operand_of(plan, s.input1, &target);
    int8_t *out = output_of(plan, step);
    for (uint32_t pixels = (uint32_t)target.height * target.width; pixels != 0; pixels--) {
        for (uint32_t c = 0; c < target.channels; c++) {
            const int32_t value = f(a.data[c * a.step] - a.zero, b.data[c * b.step] - b.zero, &s);
            *out++ = (int8_t)clamp(add_wrapping(value, target.zero_point), s.activation_min,
                                   s.activation_max);
        }
        a.data += a.pixel;
        b.data += b.pixel;
    }
}

/* An operand of a sum in the scale that both have there. */
static inline int32_t addend(int32_t x, const struct plan_step *step, uint32_t factor) {
    return rescale(shift_left(x, step->p[ADD_LEFT_SHIFT]), step->p[factor], step->p[factor + 1u]);
}

static inline int32_t sum(int32_t a, int32_t b, const struct plan_step *step) {
    const int32_t x = addend(a, step, ADD_MULTIPLIER0), y = addend(b, step, ADD_MULTIPLIER1);
    return rescale(step->op == OPERATOR_SUB ? x - y : x + y, step->p[ADD_OUTPUT_MULTIPLIER],
                   step->p[ADD_OUTPUT_SHIFT]);
}

/* AddElementwise and BroadcastAdd6DSlow of
 * tensorflow/lite/kernels/internal/reference/integer_ops/add.h. */
void reference_add(const struct plan *plan, const struct plan_step *step) {
    combine(plan, step, sum);
}

/* SubElementwise and BroadcastQuantSubSlow of tensorflow/lite/kernels/internal/reference/sub.h. */
void reference_sub(const struct plan *plan, const struct plan_step *step) {
    combine(plan, step, sum);
}

static inline int32_t product(int32_t a, int32_t b, const struct plan_step *step) {
    return rescale(a * b, step->p[RESCALE_MULTIPLIER], step->p[RESCALE_SHIFT]);
}

/* MulElementwise and BroadcastMul6DSlow of
 * tensorflow/lite/kernels/internal/reference/integer_ops/mul.h. */
void reference_mul(const struct plan *plan, const struct plan_step *step) {
    combine(plan, step, product);
}
