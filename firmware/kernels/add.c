#include "fixed_point.h"
#include "own.h"

/* ReferenceOps Add of tensorflow/lite/kernels/internal/reference/integer_ops/add.h. */
void own_add(const struct plan *plan, const struct plan_step *step) {
    const struct plan_tensor *t0 = &plan->tensors[step->input0];
    const struct plan_tensor *t1 = &plan->tensors[step->input1];
    const int8_t *in0 = plan_data(plan, step->input0);
    const int8_t *in1 = plan_data(plan, step->input1);
    int8_t *out = (int8_t *)plan->arena + plan->tensors[step->output].offset;
    const int32_t zero0 = t0->zero_point, zero1 = t1->zero_point;
    const int32_t zero = plan->tensors[step->output].zero_point;
    const int32_t left = step->p[ADD_LEFT_SHIFT];
    const int32_t multiplier0 = step->p[ADD_MULTIPLIER0], right0 = -step->p[ADD_SHIFT0];
    const int32_t multiplier1 = step->p[ADD_MULTIPLIER1], right1 = -step->p[ADD_SHIFT1];
    const int32_t multiplier = step->p[ADD_OUTPUT_MULTIPLIER];
    const int32_t right = -step->p[ADD_OUTPUT_SHIFT];
    const int32_t low = step->activation_min, high = step->activation_max;
    for (uint32_t i = 0; i < t0->bytes; i++) {
        const int32_t a = shift_left(in0[i] - zero0, left);
        const int32_t b = shift_left(in1[i] - zero1, left);
        const int32_t sum = add_wrapping(shift_right_rounding(high_product(a, multiplier0), right0),
                                         shift_right_rounding(high_product(b, multiplier1), right1));
        const int32_t scaled = shift_right_rounding(high_product(sum, multiplier), right);
        out[i] = (int8_t)clamp(add_wrapping(scaled, zero), low, high);
    }
}
