#include "plan_check.h"

#include <stddef.h>

#include "crc32.h"
#include "kernels.h"

#define INT8_LOW (-128)
#define INT8_HIGH 127
#define PARAMETER_ALIGNMENT 4u
/* The kernels keep positions along an axis, and so the padding before it, in 16 signed bits, and
 * count channels, and the elements of a window with weights, in 16 unsigned ones
 * (arm_convolve_s8.c, arm_depthwise_conv_s8_opt.c): beyond that they write outside their memory. */
#define LARGEST_SIDE 0x7FFFu
#define LARGEST_COUNT 0xFFFFu
#define LEAST_SHIFT (-31)
#define LARGEST_SHIFT 30
/* An int8 value less its zero point, shifted by this much, still fits 31 bits. */
#define LARGEST_ADD_SHIFT 22

#define HEADER_FAULT(field, value) \
    status(STATUS_PLAN_HEADER, offsetof(struct plan_header, field), (uint32_t)(value))
#define TENSOR_FIELD(field) ((uint32_t)offsetof(struct plan_tensor, field))
#define STEP_FIELD(field) ((uint32_t)offsetof(struct plan_step, field))
#define CONSTANT_FIELD(i) (STEP_FIELD(p) + 4u * (uint32_t)(i))

/* Checks of records return this, or the offset of the field at fault. */
#define SOUND 0xFFFFu

static struct status check_header(const struct plan_header *h, uint32_t size,
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
    if (h->kernel_set != KERNELS_CMSIS_NN) {
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

static uint32_t check_tensor(const struct plan_header *h, const struct plan_tensor *t) {
    if (t->region > REGION_PARAMETERS) {
        return TENSOR_FIELD(region);
    }
    if (t->dtype > DTYPE_INT32) {
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
    const uint32_t element = t->dtype == DTYPE_INT8 ? 1u : 4u;
    const uint32_t pixels = (uint32_t)t->height * t->width; /* below 2^30 */
    if ((uint64_t)pixels * t->channels > 0xFFFFFFFFu / element ||
        t->bytes != pixels * t->channels * element) {
        return TENSOR_FIELD(bytes);
    }
    const bool in_arena = t->region == REGION_ARENA;
    const uint32_t extent = in_arena ? h->arena_bytes : h->parameter_bytes;
    const uint32_t alignment = in_arena ? PLAN_ARENA_ALIGNMENT : PARAMETER_ALIGNMENT;
    if (t->offset % alignment != 0 || t->bytes > extent || t->offset > extent - t->bytes) {
        return TENSOR_FIELD(offset);
    }
    if (t->zero_point < INT8_LOW || t->zero_point > INT8_HIGH) {
        return TENSOR_FIELD(zero_point);
    }
    return SOUND;
}

/* A range of the arena. */
struct extent {
    uint32_t start;
    uint32_t bytes;
};

static bool overlap(struct extent a, struct extent b) {
    return a.bytes != 0 && b.bytes != 0 && a.start < b.start + b.bytes && b.start < a.start + a.bytes;
}

static struct extent extent_of(const struct plan_tensor *t) {
    return (struct extent){t->offset, t->region == REGION_ARENA ? t->bytes : 0};
}

/* A step with its tensors; those that it does not have are null. */
struct checked_step {
    const struct plan_step *step;
    const struct plan_tensor *input0, *input1, *output;
    const struct plan_tensor *weights, *bias, *multipliers, *shifts;
};

static bool resolve(const struct plan *plan, uint16_t index, const struct plan_tensor **tensor) {
    *tensor = index < plan->header->tensor_count ? &plan->tensors[index] : NULL;
    return *tensor != NULL || index == PLAN_NO_TENSOR;
}

static bool is_activation(const struct plan_tensor *t) {
    return t != NULL && t->region == REGION_ARENA && t->dtype == DTYPE_INT8 &&
           t->channels <= LARGEST_COUNT;
}

static uint32_t check_references(const struct plan *plan, struct checked_step *s) {
    const struct plan_step *step = s->step;
    if (!resolve(plan, step->input0, &s->input0) || !is_activation(s->input0)) {
        return STEP_FIELD(input0);
    }
    if (!resolve(plan, step->input1, &s->input1) ||
        (step->op == OPERATOR_ADD ? !is_activation(s->input1) : s->input1 != NULL)) {
        return STEP_FIELD(input1);
    }
    if (!resolve(plan, step->output, &s->output) || !is_activation(s->output)) {
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

static bool has_elements(const struct plan_tensor *t, enum plan_dtype dtype, uint64_t count) {
    return t != NULL && t->dtype == dtype && t->bytes == count * (dtype == DTYPE_INT8 ? 1u : 4u);
}

/* Weights, bias and factors against what the operator needs; `weights` 0 means none at all. */
static uint32_t check_parameters(const struct checked_step *s, uint64_t weights, bool per_channel) {
    const uint32_t channels = s->output->channels;
    if (weights != 0 ? !has_elements(s->weights, DTYPE_INT8, weights) : s->weights != NULL) {
        return STEP_FIELD(weights);
    }
    if (s->bias != NULL && (weights == 0 || !has_elements(s->bias, DTYPE_INT32, channels))) {
        return STEP_FIELD(bias);
    }
    if (per_channel ? !has_elements(s->multipliers, DTYPE_INT32, channels)
                    : s->multipliers != NULL) {
        return STEP_FIELD(multipliers);
    }
    if (per_channel ? !has_elements(s->shifts, DTYPE_INT32, channels) : s->shifts != NULL) {
        return STEP_FIELD(shifts);
    }
    return SOUND;
}

/* Whether windows of `kernel`, `stride` apart and starting `pad` before the axis, give `out` values
 * along `in` elements, each window touching at least one, and leave no room for another. */
static bool slides(uint32_t in, uint32_t out, uint32_t kernel, uint32_t stride, uint32_t pad) {
    const int64_t end = (int64_t)(out - 1u) * stride + kernel - pad; /* of the last window */
    const int64_t beyond = end - in;
    return pad < kernel && beyond < (int64_t)kernel && -beyond < (int64_t)stride;
}

static uint32_t check_window(const struct checked_step *s) {
    const struct plan_step *step = s->step;
    if (step->kernel_h < 1u || step->kernel_h > LARGEST_SIDE) {
        return STEP_FIELD(kernel_h);
    }
    if (step->kernel_w < 1u || step->kernel_w > LARGEST_SIDE) {
        return STEP_FIELD(kernel_w);
    }
    if (step->stride_h < 1u || step->stride_w < 1u) {
        return step->stride_h < 1u ? STEP_FIELD(stride_h) : STEP_FIELD(stride_w);
    }
    if (!slides(s->input0->height, s->output->height, step->kernel_h, step->stride_h,
                step->pad_top)) {
        return STEP_FIELD(pad_top);
    }
    if (!slides(s->input0->width, s->output->width, step->kernel_w, step->stride_w,
                step->pad_left)) {
        return STEP_FIELD(pad_left);
    }
    return SOUND;
}

static uint32_t check_no_window(const struct plan_step *step) {
    if (step->kernel_h != 1u || step->kernel_w != 1u) {
        return step->kernel_h != 1u ? STEP_FIELD(kernel_h) : STEP_FIELD(kernel_w);
    }
    if (step->stride_h != 1u || step->stride_w != 1u) {
        return step->stride_h != 1u ? STEP_FIELD(stride_h) : STEP_FIELD(stride_w);
    }
    if (step->pad_top != 0 || step->pad_left != 0) {
        return step->pad_top != 0 ? STEP_FIELD(pad_top) : STEP_FIELD(pad_left);
    }
    return SOUND;
}

static bool same_shape(const struct plan_tensor *a, const struct plan_tensor *b) {
    return a->height == b->height && a->width == b->width && a->channels == b->channels;
}

static bool is_vector(const struct plan_tensor *t) {
    return t->height == 1u && t->width == 1u;
}

/* Shapes of inputs and output, and the parameters that follow from them. */
static uint32_t check_shapes(const struct checked_step *s) {
    const struct plan_step *step = s->step;
    const struct plan_tensor *in = s->input0, *out = s->output;
    const uint64_t taps = (uint64_t)step->kernel_h * step->kernel_w;
    switch (step->op) {
    case OPERATOR_CONV2D:
        if (taps * in->channels > LARGEST_COUNT) {
            return STEP_FIELD(kernel_h);
        }
        return check_parameters(s, taps * in->channels * out->channels, true);
    case OPERATOR_DEPTHWISE_CONV2D:
        if (taps > LARGEST_COUNT) {
            return STEP_FIELD(kernel_h);
        }
        if (out->channels != in->channels * step->depth_multiplier) {
            return STEP_FIELD(depth_multiplier);
        }
        return check_parameters(s, taps * out->channels, true);
    case OPERATOR_DENSE:
        if (!is_vector(in) || !is_vector(out)) {
            return is_vector(in) ? STEP_FIELD(output) : STEP_FIELD(input0);
        }
        return check_parameters(s, (uint64_t)in->channels * out->channels, false);
    case OPERATOR_MAX_POOL2D:
    case OPERATOR_AVERAGE_POOL2D:
        if (out->channels != in->channels) {
            return STEP_FIELD(output);
        }
        break;
    case OPERATOR_GLOBAL_AVERAGE_POOL2D:
        if (!is_vector(out) || out->channels != in->channels) {
            return STEP_FIELD(output);
        }
        break;
    case OPERATOR_ADD:
        if (!same_shape(in, s->input1)) {
            return STEP_FIELD(input1);
        }
        if (!same_shape(in, out)) {
            return STEP_FIELD(output);
        }
        break;
    default: /* softmax and relu */
        if (!same_shape(in, out)) {
            return STEP_FIELD(output);
        }
    }
    return check_parameters(s, 0, false);
}

/* What a constant p of an operator may be. */
enum constant_kind { UNUSED, MULTIPLIER, SHIFT, RIGHT_SHIFT, LEFT_SHIFT, ADD_SHIFT, NOT_POSITIVE };

static enum constant_kind constant_kind(uint8_t op, uint32_t i) {
    static const uint8_t rescale[] = {MULTIPLIER, SHIFT};
    static const uint8_t softmax[] = {MULTIPLIER, LEFT_SHIFT, NOT_POSITIVE};
    static const uint8_t add[] = {ADD_SHIFT,  MULTIPLIER,  RIGHT_SHIFT, MULTIPLIER,
                                  RIGHT_SHIFT, MULTIPLIER, RIGHT_SHIFT};
    switch (op) {
    case OPERATOR_DENSE:
    case OPERATOR_GLOBAL_AVERAGE_POOL2D:
    case OPERATOR_RELU:
        return i < sizeof rescale ? rescale[i] : UNUSED;
    case OPERATOR_SOFTMAX:
        return i < sizeof softmax ? softmax[i] : UNUSED;
    case OPERATOR_ADD:
        return i < sizeof add ? add[i] : UNUSED;
    default:
        return UNUSED;
    }
}

static bool constant_is_sound(enum constant_kind kind, int32_t value) {
    switch (kind) {
    case MULTIPLIER:
        return value >= 0;
    case SHIFT:
        return value >= LEAST_SHIFT && value <= LARGEST_SHIFT;
    case RIGHT_SHIFT:
        return value >= LEAST_SHIFT && value <= 0;
    case LEFT_SHIFT:
        return value >= 0 && value <= LARGEST_SHIFT;
    case ADD_SHIFT:
        return value >= 0 && value <= LARGEST_ADD_SHIFT;
    case NOT_POSITIVE:
        return value <= 0;
    default:
        return value == 0;
    }
}

static uint32_t check_numbers(const struct plan_step *step) {
    if (step->dilation_h != 1u || step->dilation_w != 1u) {
        return step->dilation_h != 1u ? STEP_FIELD(dilation_h) : STEP_FIELD(dilation_w);
    }
    if (step->depth_multiplier < 1u ||
        (step->op != OPERATOR_DEPTHWISE_CONV2D && step->depth_multiplier != 1u)) {
        return STEP_FIELD(depth_multiplier);
    }
    if (step->activation_min < INT8_LOW || step->activation_min > step->activation_max) {
        return STEP_FIELD(activation_min);
    }
    if (step->activation_max > INT8_HIGH) {
        return STEP_FIELD(activation_max);
    }
    for (uint32_t i = 0; i < PLAN_CONSTANTS; i++) {
        if (!constant_is_sound(constant_kind(step->op, i), step->p[i])) {
            return CONSTANT_FIELD(i);
        }
    }
    return SOUND;
}

static bool works_in_place(uint8_t op) {
    return op == OPERATOR_RELU || op == OPERATOR_ADD;
}

/* That scratch memory suffices, and that nothing is overwritten while it is still read. */
static uint32_t check_memory(const struct plan *plan, const struct checked_step *s) {
    const struct plan_step *step = s->step;
    const uint32_t arena_bytes = plan->header->arena_bytes;
    const struct extent scratch = {step->scratch_offset, step->scratch_bytes};
    const struct extent output = extent_of(s->output);
    if (scratch.start % PLAN_ARENA_ALIGNMENT != 0 || scratch.bytes > arena_bytes ||
        scratch.start > arena_bytes - scratch.bytes || overlap(output, scratch)) {
        return STEP_FIELD(scratch_offset);
    }
    if (scratch.bytes < kernels_scratch_bytes(plan, step)) {
        return STEP_FIELD(scratch_bytes);
    }
    const struct plan_tensor *inputs[] = {s->input0, s->input1};
    for (uint32_t i = 0; i < 2u; i++) {
        if (inputs[i] == NULL) {
            continue;
        }
        const struct extent input = extent_of(inputs[i]);
        if (overlap(input, scratch)) {
            return STEP_FIELD(scratch_offset);
        }
        if (overlap(input, output) && !(works_in_place(step->op) && input.start == output.start)) {
            return STEP_FIELD(output);
        }
    }
    const struct plan_tensor *parameters[] = {s->weights, s->bias, s->multipliers, s->shifts};
    for (uint32_t i = 0; i < 4u; i++) {
        if (parameters[i] == NULL) {
            continue;
        }
        const struct extent parameter = extent_of(parameters[i]);
        if (overlap(parameter, output) || overlap(parameter, scratch)) {
            return STEP_FIELD(weights) + 2u * i;
        }
    }
    return SOUND;
}

static uint32_t check_step(const struct plan *plan, const struct plan_step *step) {
    struct checked_step s = {.step = step};
    if (step->op < OPERATOR_CONV2D || step->op > OPERATOR_ADD) {
        return STEP_FIELD(op);
    }
    if (step->reserved0 != 0 || step->reserved1 != 0) {
        return step->reserved0 != 0 ? STEP_FIELD(reserved0) : STEP_FIELD(reserved1);
    }
    const bool windowed = step->op == OPERATOR_CONV2D || step->op == OPERATOR_DEPTHWISE_CONV2D ||
                          step->op == OPERATOR_MAX_POOL2D || step->op == OPERATOR_AVERAGE_POOL2D;
    uint32_t fault = check_references(plan, &s);
    if (fault == SOUND) {
        fault = check_numbers(step);
    }
    if (fault == SOUND) {
        fault = windowed ? check_window(&s) : check_no_window(step);
    }
    if (fault == SOUND) {
        fault = check_shapes(&s);
    }
    return fault == SOUND ? check_memory(plan, &s) : fault;
}

struct status plan_check(const void *bytes, uint32_t size, const struct plan_memory *memory,
                         struct plan *plan) {
    const struct plan_header *header = bytes;
    const struct status found = check_header(header, size, memory);
    if (found.code != STATUS_OK) {
        return found;
    }
    plan->header = header;
    plan->tensors = (const struct plan_tensor *)(header + 1);
    plan->steps = (const struct plan_step *)(plan->tensors + header->tensor_count);
    plan->arena = memory->arena;
    plan->parameters = memory->parameters;
    for (uint32_t i = 0; i < header->tensor_count; i++) {
        const uint32_t fault = check_tensor(header, &plan->tensors[i]);
        if (fault != SOUND) {
            return status(STATUS_PLAN_TENSOR, fault, i);
        }
    }
    for (uint32_t i = 0; i < header->step_count; i++) {
        const uint32_t fault = check_step(plan, &plan->steps[i]);
        if (fault != SOUND) {
            return status(STATUS_PLAN_STEP, fault, i);
        }
    }
    return status_ok();
}
