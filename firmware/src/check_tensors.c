#include "check.h"

#define PARAMETER_ALIGNMENT 4u

uint32_t check_tensor(const struct plan_header *h, const struct plan_tensor *t) {
    const bool in_arena = t->region == REGION_ARENA;
    if (t->region > REGION_PARAMETERS) {
        return TENSOR_FIELD(region);
    }
    if (t->dtype > DTYPE_FLOAT32) {
        return TENSOR_FIELD(dtype);
    }
    if (t->height < 1u || t->height > LARGEST_SIDE) {
        return TENSOR_FIELD(height);
    }
    if (t->width < 1u || t->width > LARGEST_SIDE) {
        return TENSOR_FIELD(width);
    }
    if (t->reserved != 0) {
        return TENSOR_FIELD(reserved);
    }
    if (t->channels < 1u) {
        return TENSOR_FIELD(channels);
    }
    const uint32_t element = element_bytes(t->dtype);
    const uint32_t pixels = (uint32_t)t->height * t->width; /* below 2^30 */
    if ((uint64_t)pixels * t->channels > 0xFFFFFFFFu / element ||
        t->bytes != pixels * t->channels * element) {
        return TENSOR_FIELD(bytes);
    }
    const uint32_t extent = in_arena ? h->arena_bytes : h->parameter_bytes;
    const uint32_t alignment = in_arena ? PLAN_ARENA_ALIGNMENT : PARAMETER_ALIGNMENT;
    if (t->offset % alignment != 0 || t->bytes > extent || t->offset > extent - t->bytes) {
        return TENSOR_FIELD(offset);
    }
    const bool has_zero_point = t->dtype == DTYPE_INT8;
    if (has_zero_point ? t->zero_point < INT8_LOW || t->zero_point > INT8_HIGH
                       : t->zero_point != 0) {
        return TENSOR_FIELD(zero_point);
    }
    return SOUND;
}

static bool resolve(const struct plan *plan, uint16_t index, const struct plan_tensor **tensor) {
    *tensor = index < plan->header->tensor_count ? &plan->tensors[index] : NULL;
    return *tensor != NULL || index == PLAN_NO_TENSOR;
}

static bool is_activation(const struct plan_tensor *t, enum plan_dtype dtype) {
    return t != NULL && t->region == REGION_ARENA && t->dtype == dtype &&
           t->channels <= LARGEST_COUNT;
}

/* The constants that name no further input are zero. */
static uint32_t check_joined(const struct plan_step *step) {
    const int32_t count = step->p[JOINED_COUNT];
    if (count < 2 || count > (int32_t)PLAN_MAX_INPUTS) {
        return CONSTANT_FIELD(JOINED_COUNT);
    }
    for (uint32_t i = JOINED_FURTHER + (uint32_t)count - 2u; i < PLAN_CONSTANTS; i++) {
        if (step->p[i] != 0) {
            return CONSTANT_FIELD(i);
        }
    }
    return SOUND;
}

static uint32_t input_field(uint32_t i) {
    return i == 0   ? STEP_FIELD(input0)
           : i == 1 ? STEP_FIELD(input1)
                    : CONSTANT_FIELD(JOINED_FURTHER + i - 2u);
}

static uint32_t check_inputs(const struct plan *plan, struct checked_step *s) {
    const struct plan_step *step = s->step;
    uint16_t inputs[PLAN_MAX_INPUTS];
    s->input_count = plan_inputs(step, inputs);
    const enum plan_dtype dtype = step->op == OPERATOR_QUANTIZE ? DTYPE_FLOAT32 : s->dtype;
    for (uint32_t i = 0; i < s->input_count; i++) {
        const bool found = resolve(plan, inputs[i], &s->inputs[i]);
        const bool constant = found && plan_is_binary(step->op) && s->inputs[i] != NULL &&
                              s->inputs[i]->dtype == s->dtype;
        if (!constant && !is_activation(s->inputs[i], dtype)) {
            return input_field(i);
        }
    }
    return s->input_count == 1u && step->input1 != PLAN_NO_TENSOR ? STEP_FIELD(input1) : SOUND;
}

uint32_t check_references(const struct plan *plan, struct checked_step *s) {
    const struct plan_step *step = s->step;
    uint32_t fault = step->op == OPERATOR_CONCATENATION ? check_joined(step) : SOUND;
    if (fault == SOUND) {
        fault = check_inputs(plan, s);
    }
    if (fault != SOUND) {
        return fault;
    }
    const enum plan_dtype dtype = step->op == OPERATOR_DEQUANTIZE ? DTYPE_FLOAT32 : s->dtype;
    if (!resolve(plan, step->output, &s->output) || !is_activation(s->output, dtype)) {
        return STEP_FIELD(output);
    }
    if (!resolve(plan, step->weights, &s->weights)) {
        return STEP_FIELD(weights);
    }
    if (!resolve(plan, step->bias, &s->bias)) {
        return STEP_FIELD(bias);
    }
    if (!resolve(plan, step->multipliers, &s->multipliers)) {
        return STEP_FIELD(multipliers);
    }
    if (!resolve(plan, step->shifts, &s->shifts)) {
        return STEP_FIELD(shifts);
    }
    return SOUND;
}
