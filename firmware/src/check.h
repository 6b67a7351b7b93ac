/* The parts of plan_check. Each gives SOUND, or the offset in its record of the field at fault. */
#ifndef HWNAS_CHECK_H
#define HWNAS_CHECK_H

#include <stddef.h>

#include "plan.h"
#include "status.h"

#define TENSOR_FIELD(field) ((uint32_t)offsetof(struct plan_tensor, field))
#define STEP_FIELD(field) ((uint32_t)offsetof(struct plan_step, field))
#define CONSTANT_FIELD(i) (STEP_FIELD(p) + 4u * (uint32_t)(i))
#define SOUND 0xFFFFu

#define INT8_LOW (-128)
#define INT8_HIGH 127
/* The kernels keep positions along an axis, and so the padding before it, in 16 signed bits, and
 * count channels, and the elements of a window with weights, in 16 unsigned ones
 * (arm_convolve_s8.c, arm_depthwise_conv_s8_opt.c): beyond that they write outside their memory. */
#define LARGEST_SIDE 0x7FFFu
#define LARGEST_COUNT 0xFFFFu

/* A step with its tensors; those that it does not have are null. `dtype` is that of the kernels. */
struct checked_step {
    const struct plan_step *step;
    enum plan_dtype dtype;
    uint32_t input_count;
    const struct plan_tensor *inputs[PLAN_MAX_INPUTS];
    const struct plan_tensor *output;
    const struct plan_tensor *weights, *bias, *multipliers, *shifts;
};

static inline uint32_t element_bytes(uint8_t dtype) {
    return dtype == DTYPE_INT8 ? 1u : 4u;
}

static inline uint32_t elements_of(const struct plan_tensor *t) {
    return t->bytes / element_bytes(t->dtype);
}

struct status check_header(const struct plan_header *h, uint32_t size,
                           const struct plan_memory *memory);

uint32_t check_tensor(const struct plan_header *h, const struct plan_tensor *t);

/* Finds the tensors of `s->step`. What they are together is the matter of check_shapes. */
uint32_t check_references(const struct plan *plan, struct checked_step *s);

/* Everything of a step that stands for itself. */
uint32_t check_numbers(const struct checked_step *s);

/* Shapes of inputs and output, and the parameters that follow from them. */
uint32_t check_shapes(const struct checked_step *s);

/* Weights, bias and factors against what the operator needs; `weights` 0 means none at all. Floats
 * have no factors. */
uint32_t check_parameters(const struct checked_step *s, uint64_t weights, bool per_channel);

/* That scratch memory suffices, and that nothing is overwritten while it is still read. */
uint32_t check_memory(const struct plan *plan, const struct checked_step *s);

#endif
