#include "model.h"

#include <stddef.h>

#include "crc32.h"

static struct status damaged(uint32_t field, uint32_t value) {
    return status(STATUS_MODEL_DAMAGED, field, value);
}

struct status model_find(const struct plan_memory *memory, const struct model_header **model) {
    const struct model_header *header = model_header(memory);
    if (header->magic != MODEL_MAGIC) {
        return status(STATUS_NO_MODEL, 0, 0);
    }
    if (header->version != MODEL_VERSION) {
        return damaged(offsetof(struct model_header, version), header->version);
    }
    if (header->plan_offset % MODEL_ALIGNMENT != 0 ||
        header->plan_offset > memory->parameter_bytes) {
        return damaged(offsetof(struct model_header, plan_offset), header->plan_offset);
    }
    if (header->plan_bytes > memory->parameter_bytes - header->plan_offset) {
        return damaged(offsetof(struct model_header, plan_bytes), header->plan_bytes);
    }
    const uint32_t crc = crc32(memory->parameters, header->plan_offset + header->plan_bytes);
    if (crc != header->crc32) {
        return damaged(offsetof(struct model_header, crc32), crc);
    }
    *model = header;
    return status_ok();
}
