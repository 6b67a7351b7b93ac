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

/* Floats of -16 to 16: arbitrary bits would be denormal or NaN now and then, as no data is. */
static uint32_t fill_floats(uint8_t *bytes, uint32_t size, uint32_t state) {
    for (uint32_t at = 0; at < size; at += 4u) {
        state = next(state);
        const float value = (float)(int32_t)state * (1.0f / (1 << 27));
        memcpy(bytes + at, &value, sizeof value);
    }
    return state;
}

/* Constant operands in flash stay what they are. */
static uint32_t fill_tensor(const struct plan *plan, uint32_t index, uint32_t state) {
    const struct plan_tensor *tensor = &plan->tensors[index];
    if (tensor->region != REGION_ARENA) {
        return state;
    }
    return (tensor->dtype == DTYPE_FLOAT32 ? fill_floats : fill)(plan->arena + tensor->offset,
                                                                 tensor->bytes, state);
}

void inputs_fill(const struct plan *plan) {
    struct tensor_set done = {{0}};
    for (uint32_t i = 0; i < plan->header->step_count; i++) {
        set_add(&done, plan->steps[i].output);
    }
    uint32_t state = SEED;
    for (uint32_t i = 0; i < plan->header->step_count; i++) {
        uint16_t inputs[PLAN_MAX_INPUTS];
        const uint32_t count = plan_inputs(&plan->steps[i], inputs);
        for (uint32_t k = 0; k < count; k++) {
            if (!set_has(&done, inputs[k])) {
                set_add(&done, inputs[k]);
                state = fill_tensor(plan, inputs[k], state);
            }
        }
    }
}
