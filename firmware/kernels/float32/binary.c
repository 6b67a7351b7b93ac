/* Sum, difference and product of two operands, one of which may be repeated: a vector of one value
 * a channel, or a single value. */
#include "float32.h"

/* An operand along the rows of the output. */
struct operand {
    const float *data;
    uint32_t step; /* from one element to the next: 1, or 0 for a single value */
    uint32_t row;  /* back to the start of a row: what repeats, or the whole operand */
};

typedef float (*function)(float a, float b);

static struct operand operand_of(const struct plan *plan, uint16_t tensor, uint32_t elements,
                                 uint32_t row) {
    const uint32_t own = elements_of(plan, tensor);
    const bool whole = own == elements;
    return (struct operand){plan_data(plan, tensor), own != 1u || whole, whole ? row : 0};
}

/* Inlined with its function into each kernel. */
static inline __attribute__((always_inline)) void combine(const struct plan *plan,
                                                          const struct plan_step *step,
                                                          function f) {
    const uint32_t elements = elements_of(plan, step->output);
    const uint32_t first = elements_of(plan, step->input0);
    const uint32_t second = elements_of(plan, step->input1);
    const uint32_t smaller = first < second ? first : second;
    const uint32_t row = smaller == 1u ? elements : smaller;
    struct operand a = operand_of(plan, step->input0, elements, row);
    struct operand b = operand_of(plan, step->input1, elements, row);
    const struct bounds bounds = bounds_of(step);
    float *out = output_of(plan, step);
    for (uint32_t left = elements; left != 0; left -= row) {
        const float *x = a.data, *y = b.data;
        for (uint32_t i = 0; i < row; i++) {
            *out++ = within(f(*x, *y), bounds);
            x += a.step;
            y += b.step;
        }
        a.data += a.row;
        b.data += b.row;
    }
}

static inline float sum(float a, float b) {
    return a + b;
}

/* Add and BroadcastAdd6DSlow of tensorflow/lite/kernels/internal/reference/add.h. */
void float32_add(const struct plan *plan, const struct plan_step *step) {
    combine(plan, step, sum);
}

static inline float difference(float a, float b) {
    return a - b;
}

/* SubWithActivation and BroadcastSubSlow of tensorflow/lite/kernels/internal/reference/sub.h. */
void float32_sub(const struct plan *plan, const struct plan_step *step) {
    combine(plan, step, difference);
}

static inline float product(float a, float b) {
    return a * b;
}

/* Mul and BroadcastMul6DSlow of tensorflow/lite/kernels/internal/reference/mul.h. */
void float32_mul(const struct plan *plan, const struct plan_step *step) {
    combine(plan, step, product);
}
