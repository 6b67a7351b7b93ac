#include "check.h"

static bool has_elements(const struct plan_tensor *t, enum plan_dtype dtype, uint64_t count) {
    return t != NULL && t->dtype == dtype && t->bytes == count * element_bytes(dtype);
}

uint32_t check_parameters(const struct checked_step *s, uint64_t weights, bool per_channel) {
    const uint32_t channels = s->output->channels;
    const bool floats = s->dtype == DTYPE_FLOAT32;
    const bool factors = per_channel && !floats;
    if (weights != 0 ? !has_elements(s->weights, s->dtype, weights) : s->weights != NULL) {
        return STEP_FIELD(weights);
    }
    if (s->bias != NULL && (weights == 0 ||
                            !has_elements(s->bias, floats ? DTYPE_FLOAT32 : DTYPE_INT32, channels))) {
        return STEP_FIELD(bias);
    }
    if (factors ? !has_elements(s->multipliers, DTYPE_INT32, channels)
                : s->multipliers != NULL) {
        return STEP_FIELD(multipliers);
    }
    if (factors ? !has_elements(s->shifts, DTYPE_INT32, channels) : s->shifts != NULL) {
        return STEP_FIELD(shifts);
    }
    return SOUND;
}
