#include "plan_check.h"

#include "check.h"
#include "kernels.h"

static uint32_t check_step(const struct plan *plan, const struct plan_step *step) {
    struct checked_step s = {.step = step, .dtype = plan->kernels->dtype};
    const bool converts = step->op >= OPERATOR_QUANTIZE; /* to int8, or from it */
    if (step->op < OPERATOR_CONV2D || step->op > PLAN_LAST_OPERATOR ||
        (converts && s.dtype != DTYPE_INT8)) {
        return STEP_FIELD(op);
    }
    if (step->reserved0 != 0) {
        return STEP_FIELD(reserved0);
    }
    uint32_t fault = check_references(plan, &s);
    if (fault == SOUND) {
        fault = check_numbers(&s);
    }
    if (fault == SOUND) {
        fault = check_shapes(&s);
    }
    return fault == SOUND ? check_memory(plan, &s) : fault;
}

struct status plan_check(const void *bytes, uint32_t size, const struct plan_memory *memory,
                         struct plan *plan) {
    const struct plan_header *header = bytes;
    const struct status found = check_header(header, size, memory);
    if (found.code != STATUS_OK) {
        return found;
    }
    plan->kernels = kernels_find(header->kernel_set);
    plan->header = header;
    plan->tensors = (const struct plan_tensor *)(header + 1);
    plan->steps = (const struct plan_step *)(plan->tensors + header->tensor_count);
    plan->arena = memory->arena;
    plan->parameters = memory->parameters;
    for (uint32_t i = 0; i < header->tensor_count; i++) {
        const uint32_t fault = check_tensor(header, &plan->tensors[i]);
        if (fault != SOUND) {
            return status(STATUS_PLAN_TENSOR, fault, i);
        }
    }
    for (uint32_t i = 0; i < header->step_count; i++) {
        const uint32_t fault = check_step(plan, &plan->steps[i]);
        if (fault != SOUND) {
            return status(STATUS_PLAN_STEP, fault, i);
        }
    }
    return status_ok();
}
