#include <string.h>

#include "check.h"

#define LEAST_SHIFT (-31)
#define LARGEST_SHIFT 30
/* TensorFlow Lite's for int8, with which the sum of two operands and its double fit 32 bits. */
#define ADD_LEFT_SHIFT_VALUE 20
/* hard_swish computes in 16 bits. */
#define LEAST_SHORT_SHIFT (-15)
#define LARGEST_SHORT 0x7FFF
#define LARGEST_AXIS JOINED_HEIGHT
#define FLOAT_INFINITY_BITS 0x7F800000

/* What a constant p of an operator may be. */
enum constant_kind {
    UNUSED,
    MULTIPLIER,
    SHIFT,
    RIGHT_SHIFT,
    LEFT_SHIFT,
    ADD_SHIFT,
    NOT_POSITIVE,
    NOT_NEGATIVE,
    SHORT_MULTIPLIER,
    SHORT_SHIFT,
    SHORT_RIGHT_SHIFT,
    AXIS,
    FLOAT_BITS,
    FINITE_FLOAT_BITS,
    REFERENCE /* check_references looks at these */
};

static const uint8_t int8_constants[PLAN_LAST_OPERATOR + 1][PLAN_CONSTANTS] = {
    [OPERATOR_DENSE] = {MULTIPLIER, SHIFT},
    [OPERATOR_GLOBAL_AVERAGE_POOL2D] = {MULTIPLIER, SHIFT},
    [OPERATOR_SOFTMAX] = {MULTIPLIER, LEFT_SHIFT, NOT_POSITIVE},
    [OPERATOR_RELU] = {MULTIPLIER, SHIFT},
    [OPERATOR_ADD] = {ADD_SHIFT, MULTIPLIER, RIGHT_SHIFT, MULTIPLIER, RIGHT_SHIFT, MULTIPLIER,
                      RIGHT_SHIFT},
    [OPERATOR_SUB] = {ADD_SHIFT, MULTIPLIER, RIGHT_SHIFT, MULTIPLIER, RIGHT_SHIFT, MULTIPLIER,
                      RIGHT_SHIFT},
    [OPERATOR_MUL] = {MULTIPLIER, SHIFT},
    [OPERATOR_CONCATENATION] = {REFERENCE, AXIS, REFERENCE, REFERENCE, REFERENCE, REFERENCE,
                                REFERENCE, REFERENCE, REFERENCE, REFERENCE, REFERENCE},
    [OPERATOR_LOGISTIC] = {NOT_NEGATIVE, MULTIPLIER, LEFT_SHIFT},
    [OPERATOR_TANH] = {NOT_NEGATIVE, MULTIPLIER, LEFT_SHIFT},
    [OPERATOR_HARD_SWISH] = {SHORT_MULTIPLIER, SHORT_RIGHT_SHIFT, SHORT_MULTIPLIER, SHORT_SHIFT},
    [OPERATOR_LEAKY_RELU] = {MULTIPLIER, SHIFT, MULTIPLIER, SHIFT},
    [OPERATOR_QUANTIZE] = {FLOAT_BITS},
    [OPERATOR_DEQUANTIZE] = {FLOAT_BITS},
    [OPERATOR_REQUANTIZE] = {MULTIPLIER, SHIFT},
};

static const uint8_t float_constants[PLAN_LAST_OPERATOR + 1][PLAN_CONSTANTS] = {
    [OPERATOR_CONCATENATION] = {REFERENCE, AXIS, REFERENCE, REFERENCE, REFERENCE, REFERENCE,
                                REFERENCE, REFERENCE, REFERENCE, REFERENCE, REFERENCE},
    [OPERATOR_LEAKY_RELU] = {FINITE_FLOAT_BITS},
};

static bool within(int32_t value, int32_t least, int32_t most) {
    return value >= least && value <= most;
}

static bool constant_is_sound(enum constant_kind kind, int32_t value) {
    switch (kind) {
    case MULTIPLIER:
    case NOT_NEGATIVE:
        return value >= 0;
    case SHIFT:
        return within(value, LEAST_SHIFT, LARGEST_SHIFT);
    case RIGHT_SHIFT:
        return within(value, LEAST_SHIFT, 0);
    case LEFT_SHIFT:
        return within(value, 0, LARGEST_SHIFT);
    case ADD_SHIFT:
        return value == ADD_LEFT_SHIFT_VALUE;
    case NOT_POSITIVE:
        return value <= 0;
    case SHORT_MULTIPLIER:
        return within(value, 0, LARGEST_SHORT);
    case SHORT_SHIFT:
        return within(value, LEAST_SHORT_SHIFT, LARGEST_SHIFT);
    case SHORT_RIGHT_SHIFT:
        return within(value, LEAST_SHORT_SHIFT, 0);
    case AXIS:
        return within(value, 0, LARGEST_AXIS);
    case FLOAT_BITS: /* of a float above 0 and below infinity */
        return value > 0 && value < FLOAT_INFINITY_BITS;
    case FINITE_FLOAT_BITS:
        return (value & FLOAT_INFINITY_BITS) != FLOAT_INFINITY_BITS;
    case REFERENCE:
        return true;
    default:
        return value == 0;
    }
}

static float float_of(int32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Floats may be infinite, but no number at all. */
static uint32_t check_bounds(const struct plan_step *step, enum plan_dtype dtype) {
    const int32_t low = step->activation_min, high = step->activation_max;
    if (dtype == DTYPE_FLOAT32) {
        return float_of(low) <= float_of(high) ? SOUND : STEP_FIELD(activation_min);
    }
    if (low < INT8_LOW || low > high) {
        return STEP_FIELD(activation_min);
    }
    return high > INT8_HIGH ? STEP_FIELD(activation_max) : SOUND;
}

uint32_t check_numbers(const struct checked_step *s) {
    const struct plan_step *step = s->step;
    const bool depthwise = step->op == OPERATOR_DEPTHWISE_CONV2D;
    const bool convolves = depthwise || step->op == OPERATOR_CONV2D;
    if (step->dilation_h < 1u || (!convolves && step->dilation_h != 1u)) {
        return STEP_FIELD(dilation_h);
    }
    if (step->dilation_w < 1u || (!convolves && step->dilation_w != 1u)) {
        return STEP_FIELD(dilation_w);
    }
    if (step->depth_multiplier < 1u || (!depthwise && step->depth_multiplier != 1u)) {
        return STEP_FIELD(depth_multiplier);
    }
    if (step->groups < 1u || (step->op != OPERATOR_CONV2D && step->groups != 1u)) {
        return STEP_FIELD(groups);
    }
    const uint32_t bounds = check_bounds(step, s->dtype);
    if (bounds != SOUND) {
        return bounds;
    }
    const uint8_t *constants = (s->dtype == DTYPE_INT8 ? int8_constants : float_constants)[step->op];
    for (uint32_t i = 0; i < PLAN_CONSTANTS; i++) {
        if (!constant_is_sound(constants[i], step->p[i])) {
            return CONSTANT_FIELD(i);
        }
    }
    return SOUND;
}
