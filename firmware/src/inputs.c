#include "inputs.h"

#include <string.h>

#define SEED 0x9E3779B9u

struct tensor_set {
    uint32_t words[PLAN_MAX_TENSORS / 32u];
};

static void set_add(struct tensor_set *set, uint32_t tensor) {
    set->words[tensor / 32u] |= 1u << tensor % 32u;
}

static bool set_has(const struct tensor_set *set, uint32_t tensor) {
    return (set->words[tensor / 32u] >> tensor % 32u) & 1u;
}

/* Marsaglia's xorshift with 32 bits of state (Journal of Statistical Software 8/14, 2003). */
static uint32_t next(uint32_t state) {
    state ^= state << 13;
    state ^= state >> 17;
    return state ^ state << 5;
}

static uint32_t fill(uint8_t *bytes, uint32_t size, uint32_t state) {
    for (uint32_t at = 0; at < size; at += 4u) {
        state = next(state);
        memcpy(bytes + at, &state, size - at < 4u ? size - at : 4u);
    }
    return state;
}

void inputs_fill(const struct plan *plan) {
    struct tensor_set done = {{0}};
    for (uint32_t i = 0; i < plan->header->step_count; i++) {
        set_add(&done, plan->steps[i].output);
    }
    uint32_t state = SEED;
    for (uint32_t i = 0; i < plan->header->step_count; i++) {
        const uint16_t inputs[] = {plan->steps[i].input0, plan->steps[i].input1};
        for (uint32_t k = 0; k < 2u; k++) {
            if (inputs[k] == PLAN_NO_TENSOR || set_has(&done, inputs[k])) {
                continue;
            }
            set_add(&done, inputs[k]);
            const struct plan_tensor *tensor = &plan->tensors[inputs[k]];
            state = fill(plan->arena + tensor->offset, tensor->bytes, state);
        }
    }
}
