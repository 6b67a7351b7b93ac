#include "hwnas.h"

#include <stdbool.h>
#include <string.h>

#include "crc32.h"
#include "kernels.h"
#include "plan_check.h"

static struct plan plan;
static bool started;

enum hwnas_result hwnas_init(void *arena, size_t arena_bytes) {
    const struct plan_memory memory = {
        .arena = arena,
        .arena_bytes = (uint32_t)arena_bytes,
        .workspace_bytes = (uint32_t)arena_bytes,
        .parameters = hwnas_model,
        .parameter_bytes = HWNAS_MODEL_PLAN_OFFSET,
    };
    started = false;
    if (arena_bytes < HWNAS_ARENA_BYTES) {
        return HWNAS_ARENA_TOO_SMALL;
    }
    if ((uintptr_t)arena % HWNAS_ARENA_ALIGNMENT != 0) {
        return HWNAS_ARENA_UNALIGNED;
    }
    if (crc32(hwnas_model, HWNAS_MODEL_BYTES) != HWNAS_MODEL_CRC32) {
        return HWNAS_MODEL_DAMAGED;
    }
    const struct status found = plan_check(hwnas_model + HWNAS_MODEL_PLAN_OFFSET,
                                           HWNAS_MODEL_BYTES - HWNAS_MODEL_PLAN_OFFSET, &memory,
                                           &plan);
    started = found.code == STATUS_OK;
    return started ? HWNAS_OK : HWNAS_MODEL_DAMAGED;
}

enum hwnas_result hwnas_run(const void *input, void *output) {
    if (!started) {
        return HWNAS_NOT_STARTED;
    }
    const struct plan_header *header = plan.header;
    memcpy(plan.arena + plan.tensors[header->input_tensor].offset, input, HWNAS_INPUT_BYTES);
    for (uint32_t i = 0; i < header->step_count; i++) {
        if (kernels_run(&plan, &plan.steps[i]) != 0) {
            return HWNAS_KERNEL_FAILED;
        }
    }
    memcpy(output, plan.arena + plan.tensors[header->output_tensor].offset, HWNAS_OUTPUT_BYTES);
    return HWNAS_OK;
}
