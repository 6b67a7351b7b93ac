#include "check.h"
#include "kernels.h"

/* A range of the arena. */
struct extent {
    uint32_t start;
    uint32_t bytes;
};

static bool overlap(struct extent a, struct extent b) {
    return a.bytes != 0 && b.bytes != 0 && a.start < b.start + b.bytes &&
           b.start < a.start + a.bytes;
}

static struct extent extent_of(const struct plan_tensor *t) {
    return (struct extent){t->offset, t->region == REGION_ARENA ? t->bytes : 0};
}

/* Kernels that write an element only after they read all that stood in its place. */
static bool works_in_place(uint8_t op) {
    switch (op) {
    case OPERATOR_SOFTMAX:
    case OPERATOR_RELU:
    case OPERATOR_ADD:
    case OPERATOR_SUB:
    case OPERATOR_MUL:
    case OPERATOR_LOGISTIC:
    case OPERATOR_TANH:
    case OPERATOR_HARD_SWISH:
    case OPERATOR_LEAKY_RELU:
    case OPERATOR_REQUANTIZE:
        return true;
    default:
        return false;
    }
}

static bool may_be_overwritten(uint8_t op, struct extent input, struct extent output) {
    return works_in_place(op) && input.start == output.start && input.bytes == output.bytes;
}

static uint32_t check_scratch(const struct plan *plan, const struct plan_step *step,
                              struct extent output) {
    const uint32_t arena_bytes = plan->header->arena_bytes;
    const struct extent scratch = {step->scratch_offset, step->scratch_bytes};
    if (scratch.start % PLAN_ARENA_ALIGNMENT != 0 || scratch.bytes > arena_bytes ||
        scratch.start > arena_bytes - scratch.bytes || overlap(output, scratch)) {
        return STEP_FIELD(scratch_offset);
    }
    return scratch.bytes < kernels_scratch_bytes(plan, step) ? STEP_FIELD(scratch_bytes) : SOUND;
}

uint32_t check_memory(const struct plan *plan, const struct checked_step *s) {
    const struct plan_step *step = s->step;
    const struct extent output = extent_of(s->output);
    const struct extent scratch = {step->scratch_offset, step->scratch_bytes};
    const uint32_t fault = check_scratch(plan, step, output);
    if (fault != SOUND) {
        return fault;
    }
    for (uint32_t i = 0; i < s->input_count; i++) {
        const struct extent input = extent_of(s->inputs[i]);
        if (overlap(input, scratch)) {
            return STEP_FIELD(scratch_offset);
        }
        if (overlap(input, output) && !may_be_overwritten(step->op, input, output)) {
            return STEP_FIELD(output);
        }
    }
    const struct plan_tensor *parameters[] = {s->weights, s->bias, s->multipliers, s->shifts};
    for (uint32_t i = 0; i < 4u; i++) {
        if (parameters[i] == NULL) {
            continue;
        }
        const struct extent parameter = extent_of(parameters[i]);
        if (overlap(parameter, output) || overlap(parameter, scratch)) {
            return STEP_FIELD(weights) + 2u * i;
        }
    }
    return SOUND;
}
