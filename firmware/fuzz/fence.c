#include "fence.h"

#include <inttypes.h>
#include <sanitizer/asan_interface.h>
#include <stdio.h>

#include "kernels.h"
#include "plan.h"

static uint64_t allowed, steps;

/* Freed memory need not be watched for long: nothing here outlives an input. */
const char *__asan_default_options(void);

const char *__asan_default_options(void) {
    return "quarantine_size_mb=4";
}

void fence_allow(uint64_t work) {
    allowed = work;
}

/* Tells at the end whether the fuzzer got as far as the kernels. */
__attribute__((destructor)) static void tell(void) {
    fprintf(stderr, "steps executed: %" PRIu64 "\n", steps);
}

static uint64_t work_of(const struct plan *plan, const struct plan_step *step) {
    const struct plan_tensor *in = &plan->tensors[step->input0];
    const struct plan_tensor *out = &plan->tensors[step->output];
    const uint64_t taps = (uint64_t)step->kernel_h * step->kernel_w;
    const uint64_t moved = (uint64_t)in->bytes + out->bytes;
    const uint64_t made = (uint64_t)out->height * out->width * out->channels;
    switch (step->op) {
    case OPERATOR_CONV2D:
    case OPERATOR_DENSE:
        return moved + taps * in->channels * made;
    default:
        return moved + taps * made;
    }
}

static void open_extent(const uint8_t *start, uint32_t bytes) {
    ASAN_UNPOISON_MEMORY_REGION(start, bytes);
}

static void open_tensor(const struct plan *plan, uint16_t tensor) {
    if (tensor != PLAN_NO_TENSOR) {
        open_extent(plan_data(plan, tensor), plan->tensors[tensor].bytes);
    }
}

/* The linker puts these around the firmware's kernels_run (CMakeLists.txt). */
int32_t __real_kernels_run(const struct plan *plan, const struct plan_step *step);
int32_t __wrap_kernels_run(const struct plan *plan, const struct plan_step *step);

int32_t __wrap_kernels_run(const struct plan *plan, const struct plan_step *step) {
    const uint64_t work = work_of(plan, step);
    if (work > allowed) {
        return 0;
    }
    allowed -= work;
    steps++;
    const uint32_t arena = plan->header->arena_bytes;
    const uint32_t parameters = plan->header->parameter_bytes;
    ASAN_POISON_MEMORY_REGION(plan->arena, arena);
    ASAN_POISON_MEMORY_REGION(plan->parameters, parameters);
    uint16_t inputs[PLAN_MAX_INPUTS];
    const uint32_t input_count = plan_inputs(step, inputs);
    for (uint32_t i = 0; i < input_count; i++) {
        open_tensor(plan, inputs[i]);
    }
    const uint16_t tensors[] = {step->output, step->weights, step->bias, step->multipliers,
                                step->shifts};
    for (uint32_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) {
        open_tensor(plan, tensors[i]);
    }
    open_extent(plan->arena + step->scratch_offset, step->scratch_bytes);
    const int32_t code = __real_kernels_run(plan, step);
    open_extent(plan->arena, arena);
    open_extent(plan->parameters, parameters);
    return code;
}
