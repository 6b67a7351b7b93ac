#include "check.h"
#include "crc32.h"
#include "kernels.h"

#define HEADER_FAULT(field, value) \
    status(STATUS_PLAN_HEADER, offsetof(struct plan_header, field), (uint32_t)(value))

struct status check_header(const struct plan_header *h, uint32_t size,
                           const struct plan_memory *memory) {
    if (size < sizeof *h) {
        return HEADER_FAULT(plan_bytes, size);
    }
    if (h->magic != PLAN_MAGIC) {
        return HEADER_FAULT(magic, h->magic);
    }
    if (h->version != PLAN_VERSION) {
        return HEADER_FAULT(version, h->version);
    }
    if (h->header_bytes != sizeof *h) {
        return HEADER_FAULT(header_bytes, h->header_bytes);
    }
    if (h->tensor_count < 1u || h->tensor_count > PLAN_MAX_TENSORS) {
        return HEADER_FAULT(tensor_count, h->tensor_count);
    }
    if (h->step_count < 1u || h->step_count > PLAN_MAX_STEPS) {
        return HEADER_FAULT(step_count, h->step_count);
    }
    const uint32_t expected = sizeof *h + h->tensor_count * sizeof(struct plan_tensor) +
                              h->step_count * sizeof(struct plan_step);
    if (h->plan_bytes != expected || size != expected) {
        return HEADER_FAULT(plan_bytes, h->plan_bytes);
    }
    const uint32_t crc = crc32(h + 1, size - sizeof *h);
    if (crc != h->crc32) {
        return status(STATUS_PLAN_CRC, 0, crc);
    }
    if (h->arena_bytes % PLAN_ARENA_ALIGNMENT != 0) {
        return HEADER_FAULT(arena_bytes, h->arena_bytes);
    }
    if (h->arena_bytes > memory->arena_bytes) {
        return status(STATUS_PLAN_TOO_LARGE, 0, memory->workspace_bytes);
    }
    if (h->input_tensor >= h->tensor_count) {
        return HEADER_FAULT(input_tensor, h->input_tensor);
    }
    if (h->output_tensor >= h->tensor_count) {
        return HEADER_FAULT(output_tensor, h->output_tensor);
    }
    if (h->kernel_set > KERNELS_FLOAT32) {
        return HEADER_FAULT(kernel_set, h->kernel_set);
    }
    if (kernels_find(h->kernel_set) == NULL) {
        return status(STATUS_UNSUPPORTED_KERNEL_SET, 0, h->kernel_set);
    }
    if (h->parameters > 1u) {
        return HEADER_FAULT(parameters, h->parameters);
    }
    if (h->reserved0 != 0) {
        return HEADER_FAULT(reserved0, h->reserved0);
    }
    if (h->parameter_bytes > memory->parameter_bytes) {
        return status(STATUS_PARAMETERS_TOO_LARGE, 0, memory->parameter_bytes);
    }
    for (uint32_t i = 0; i < 3u; i++) {
        if (h->reserved1[i] != 0) {
            return HEADER_FAULT(reserved1, h->reserved1[i]);
        }
    }
    return status_ok();
}
