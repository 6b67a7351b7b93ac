/* A deployed model: its parameters and then its plan, in flash, in the place of the synthetic pool. */
#ifndef HWNAS_MODEL_H
#define HWNAS_MODEL_H

#include "plan.h"
#include "status.h"

/* Stands right before the parameter region, as the pool's header would. */
struct model_header {
    uint32_t magic;
    uint32_t version;
    uint32_t plan_offset; /* from the region's start, where the parameters end */
    uint32_t plan_bytes;
    uint8_t sha256[32]; /* of parameters and plan */
    uint32_t crc32;     /* of the same */
    uint32_t reserved[3];
};

#define MODEL_MAGIC 0x444D5748u /* the bytes HWMD */
#define MODEL_VERSION 1u
#define MODEL_ALIGNMENT 32u /* of the plan */

_Static_assert(sizeof(struct model_header) == 64, "model header");

static inline const struct model_header *model_header(const struct plan_memory *memory) {
    return (const struct model_header *)memory->parameters - 1;
}

/* Finds the model and makes sure that it is whole; its plan is not looked at. */
struct status model_find(const struct plan_memory *memory, const struct model_header **model);

#endif
