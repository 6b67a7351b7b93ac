#include "plan_repair.h"

#include <stdbool.h>
#include <string.h>

#include "kernels.h"
#include "noise.h"
#include "plan.h"

/* Records of the longest input (LONGEST_INPUT in benchmarks/fuzz_device.py): what counts more is cut
 * down, which takes the rest of the plan for other records than they are. */
#define MOST_BYTES 6000u
#define MOST_TENSORS (MOST_BYTES / sizeof(struct plan_tensor))
#define MOST_STEPS (MOST_BYTES / sizeof(struct plan_step))

/* Now and then a size that is far too large; mostly small ones, which run fast. */
static uint32_t any_value(uint32_t *noise) {
    static const uint32_t edges[] = {0,      1,      2,       15,         16,         127,
                                     128,    255,    256,     0x7FFF,     0x8000,     0x8002,
                                     0xFFFF, 0x10000, 0xFFF0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
    switch (noise_below(noise, 8u)) {
    case 0:
    case 1:
        return edges[noise_below(noise, sizeof edges / sizeof edges[0])];
    case 2:
        return noise_next(noise);
    case 3:
        return noise_below(noise, 400u);
    default:
        return noise_below(noise, 12u);
    }
}

/* A plan whose records are copied out of bytes of any alignment and put back. */
struct draft {
    struct plan_header header;
    struct plan_tensor tensors[MOST_TENSORS];
    struct plan_step steps[MOST_STEPS];
    size_t tensor_bytes, step_bytes;
};

static bool take(struct draft *draft, const uint8_t *bytes, size_t size) {
    memcpy(&draft->header, bytes, sizeof draft->header);
    struct plan_header *header = &draft->header;
    header->tensor_count %= MOST_TENSORS + 1u;
    header->step_count %= MOST_STEPS + 1u;
    draft->tensor_bytes = header->tensor_count * sizeof draft->tensors[0];
    draft->step_bytes = header->step_count * sizeof draft->steps[0];
    if (draft->tensor_bytes == 0 || draft->step_bytes == 0 ||
        sizeof *header + draft->tensor_bytes + draft->step_bytes > size) {
        return false;
    }
    memcpy(draft->tensors, bytes + sizeof *header, draft->tensor_bytes);
    memcpy(draft->steps, bytes + sizeof *header + draft->tensor_bytes, draft->step_bytes);
    return true;
}

static size_t put(const struct draft *draft, uint8_t *bytes) {
    memcpy(bytes, &draft->header, sizeof draft->header);
    bytes += sizeof draft->header;
    memcpy(bytes, draft->tensors, draft->tensor_bytes);
    memcpy(bytes + draft->tensor_bytes, draft->steps, draft->step_bytes);
    return sizeof draft->header + draft->tensor_bytes + draft->step_bytes;
}

/* A window that begins as far before its axis as it may: two fields that must fit together. */
static void change_window(struct plan_step *step, uint32_t *noise) {
    const uint16_t kernel = (uint16_t)(any_value(noise) | 1u);
    const uint16_t pad = (uint16_t)(kernel - 1u - noise_below(noise, 3u) % kernel);
    if (noise_below(noise, 2u) == 0) {
        step->kernel_h = kernel;
        step->pad_top = pad;
    } else {
        step->kernel_w = kernel;
        step->pad_left = pad;
    }
}

void plan_change_field(uint8_t *bytes, size_t size, uint32_t *noise) {
    static struct draft draft;
    if (!take(&draft, bytes, size)) {
        return;
    }
    if (noise_below(noise, 16u) == 0) {
        change_window(&draft.steps[noise_below(noise, draft.header.step_count)], noise);
        put(&draft, bytes);
        return;
    }
    uint8_t *record;
    size_t record_bytes;
    const uint32_t which = noise_below(noise, 8u);
    if (which == 0) {
        record = (uint8_t *)&draft.header;
        record_bytes = sizeof draft.header;
    } else if (which < 4u) {
        record = (uint8_t *)&draft.tensors[noise_below(noise, draft.header.tensor_count)];
        record_bytes = sizeof draft.tensors[0];
    } else {
        record = (uint8_t *)&draft.steps[noise_below(noise, draft.header.step_count)];
        record_bytes = sizeof draft.steps[0];
    }
    /* The first bytes of tensors and steps are two fields of one byte, the rest are of two or four. */
    const uint32_t value = any_value(noise);
    const uint32_t width = noise_below(noise, 8u) == 0 ? 1u : 2u * (1u + noise_below(noise, 2u));
    const size_t at = noise_below(noise, (uint32_t)(record_bytes / width)) * width;
    memcpy(record + at, &value, width);
    put(&draft, bytes);
}

static bool is_windowed(const struct plan_step *step) {
    return step->op == OPERATOR_CONV2D || step->op == OPERATOR_DEPTHWISE_CONV2D ||
           step->op == OPERATOR_MAX_POOL2D || step->op == OPERATOR_AVERAGE_POOL2D;
}

/* A number of windows of `kernel`, `stride` apart and starting `pad` before `in` elements, that
 * plan_check accepts: from as few as leave no room for another to as many as touch one. Mostly few:
 * large outputs take too long to be run. */
static uint16_t windows(uint32_t in, uint32_t kernel, uint32_t stride, uint32_t pad,
                        uint32_t *noise) {
    const uint32_t most = (in + pad - 1u) / stride;
    const uint32_t room = in + pad + 1u;
    const uint32_t least = room > kernel + stride ? (room - kernel - 1u) / stride : 0;
    if (most <= least) {
        return (uint16_t)(1u + most);
    }
    const uint32_t more = most - least, few = more < 4u ? more : 4u;
    return (uint16_t)(1u + least + noise_below(noise, (noise_below(noise, 4u) ? few : more) + 1u));
}

static uint16_t at_least_one(uint16_t value) {
    return value == 0 ? 1 : value;
}

static bool convolves(const struct plan_step *step) {
    return step->op == OPERATOR_CONV2D || step->op == OPERATOR_DEPTHWISE_CONV2D;
}

static uint32_t reach(uint32_t kernel, uint32_t dilation) {
    return (kernel - 1u) * dilation + 1u;
}

/* Dilations are mostly small, else hardly any window were within the limits. */
static uint16_t dilation(uint16_t value, uint32_t *noise) {
    return at_least_one(noise_below(noise, 8u) == 0 ? value : value % 4u);
}

static void repair_window(struct plan_step *step, bool windowed, uint32_t *noise) {
    step->kernel_h = windowed ? at_least_one(step->kernel_h) : 1;
    step->kernel_w = windowed ? at_least_one(step->kernel_w) : 1;
    step->stride_h = windowed ? at_least_one(step->stride_h) : 1;
    step->stride_w = windowed ? at_least_one(step->stride_w) : 1;
    step->dilation_h = convolves(step) ? dilation(step->dilation_h, noise) : 1;
    step->dilation_w = convolves(step) ? dilation(step->dilation_w, noise) : 1;
    if (windowed) {
        step->pad_top %= reach(step->kernel_h, step->dilation_h);
        step->pad_left %= reach(step->kernel_w, step->dilation_w);
    } else if (step->op == OPERATOR_PAD) {
        step->pad_top %= 256u;
        step->pad_left %= 256u;
    } else {
        step->pad_top = step->pad_left = 0;
    }
}

static int32_t within(int32_t value, int32_t least, int32_t most) {
    return value < least || value > most ? least + (value & 15) : value;
}

/* Constants p: those that the operator has in their range, the others zero. */
static void repair_constants(struct plan_step *step) {
    int32_t p[PLAN_CONSTANTS] = {0};
    switch (step->op) {
    case OPERATOR_LEAKY_RELU:
        p[2] = step->p[2] & INT32_MAX;
        p[3] = within(step->p[3], -31, 30);
        /* falls through */
    case OPERATOR_DENSE:
    case OPERATOR_GLOBAL_AVERAGE_POOL2D:
    case OPERATOR_RELU:
    case OPERATOR_MUL:
    case OPERATOR_REQUANTIZE:
        p[0] = step->p[0] & INT32_MAX;
        p[1] = within(step->p[1], -31, 30);
        break;
    case OPERATOR_SOFTMAX:
        p[0] = step->p[0] & INT32_MAX;
        p[1] = within(step->p[1], 0, 30);
        p[2] = step->p[2] | INT32_MIN;
        break;
    case OPERATOR_LOGISTIC:
    case OPERATOR_TANH:
        p[0] = step->p[0] & INT32_MAX;
        p[1] = step->p[1] & INT32_MAX;
        p[2] = within(step->p[2], 0, 30);
        break;
    case OPERATOR_HARD_SWISH:
        p[0] = step->p[0] & INT16_MAX;
        p[1] = within(step->p[1] | ~15, -15, 0);
        p[2] = step->p[2] & INT16_MAX;
        p[3] = within(step->p[3], -15, 30);
        break;
    case OPERATOR_QUANTIZE:
    case OPERATOR_DEQUANTIZE:
        p[0] = 1 + (step->p[0] & INT32_MAX) % 0x7F7FFFFF;
        break;
    case OPERATOR_CONCATENATION:
        memcpy(p, step->p, sizeof p);
        break;
    case OPERATOR_ADD:
    case OPERATOR_SUB:
        p[0] = 20;
        for (uint32_t i = 1; i < 7u; i += 2u) {
            p[i] = step->p[i] & INT32_MAX;
            p[i + 1u] = within(step->p[i + 1u], -31, 0);
        }
        break;
    default:
        break;
    }
    memcpy(step->p, p, sizeof p);
}

static void shape(struct plan_tensor *t, uint32_t height, uint32_t width, uint32_t channels) {
    t->region = REGION_ARENA;
    t->dtype = DTYPE_INT8;
    t->height = (uint16_t)height;
    t->width = (uint16_t)width;
    t->channels = channels;
}

static void parameter(struct draft *draft, uint16_t *index, uint8_t dtype, uint32_t elements) {
    if (elements == 0) {
        *index = PLAN_NO_TENSOR;
        return;
    }
    if (*index == PLAN_NO_TENSOR && dtype == DTYPE_INT32) {
        return; /* a bias that is not there may stay away */
    }
    *index %= draft->header.tensor_count;
    struct plan_tensor *t = &draft->tensors[*index];
    t->dtype = dtype;
    t->height = t->width = 1;
    t->channels = elements;
}

/* Makes the second operand of another shape now and then, and exchanges both. */
static void repair_operands(struct draft *draft, struct plan_step *step, uint32_t *noise) {
    struct plan_tensor *out = &draft->tensors[step->output];
    struct plan_tensor *other = &draft->tensors[step->input1];
    const uint32_t kind = noise_below(noise, 4u);
    const uint8_t region = other->region;
    if (kind == 0) {
        shape(other, out->height, out->width, out->channels);
    } else {
        shape(other, 1, 1, kind == 1u ? out->channels : 1);
        if (kind == 3u) {
            other->channels = (uint32_t)out->height * out->width * out->channels;
        }
    }
    const bool constant = noise_below(noise, 2u) != 0;
    if (constant) {
        other->region = region % 2u;
    }
    if ((constant || kind != 3u) && noise_below(noise, 2u) != 0) {
        const uint16_t first = step->input0;
        step->input0 = step->input1;
        step->input1 = first;
    }
}

static uint32_t at_axis(const struct plan_tensor *t, int32_t axis) {
    return axis == JOINED_CHANNELS ? t->channels : axis == JOINED_WIDTH ? t->width : t->height;
}

static void repair_joined(struct draft *draft, struct plan_step *step) {
    const uint16_t count = draft->header.tensor_count;
    struct plan_tensor *out = &draft->tensors[step->output];
    const struct plan_tensor first = draft->tensors[step->input0];
    step->p[JOINED_COUNT] = within(step->p[JOINED_COUNT], 2, 11);
    step->p[JOINED_COUNT] = step->p[JOINED_COUNT] > 11 ? 11 : step->p[JOINED_COUNT];
    step->p[JOINED_AXIS] = (int32_t)((uint32_t)step->p[JOINED_AXIS] % 3u);
    for (uint32_t i = JOINED_FURTHER; i < PLAN_CONSTANTS; i++) {
        const bool used = (int32_t)i < step->p[JOINED_COUNT];
        step->p[i] = used ? (int32_t)((uint32_t)step->p[i] % count) : 0;
    }
    uint16_t inputs[PLAN_MAX_INPUTS];
    const uint32_t joined = plan_inputs(step, inputs);
    const int32_t axis = step->p[JOINED_AXIS];
    uint32_t sum = 0;
    for (uint32_t i = 0; i < joined; i++) {
        struct plan_tensor *t = &draft->tensors[inputs[i]];
        const uint32_t side = at_axis(t, axis) % 100u + 1u;
        shape(t, axis == JOINED_HEIGHT ? side : first.height,
              axis == JOINED_WIDTH ? side : first.width,
              axis == JOINED_CHANNELS ? side : first.channels);
    }
    for (uint32_t i = 0; i < joined; i++) {
        sum += at_axis(&draft->tensors[inputs[i]], axis);
    }
    shape(out, axis == JOINED_HEIGHT ? sum : first.height, axis == JOINED_WIDTH ? sum : first.width,
          axis == JOINED_CHANNELS ? sum : first.channels);
}

static bool has_second_input(const struct plan_step *step) {
    return plan_is_binary(step->op) || step->op == OPERATOR_CONCATENATION;
}

static void repair_bounds(struct plan_step *step) {
    if (step->activation_min < -128 || step->activation_min > 127) {
        step->activation_min = -128;
    }
    if (step->activation_max > 127 || step->activation_max < step->activation_min) {
        step->activation_max = 127;
    }
}

static bool has_floats(const struct draft *draft) {
    return kernels_find(draft->header.kernel_set)->dtype == DTYPE_FLOAT32;
}

/* Makes floats of what was repaired as int8: they have other bounds and constants. */
static void convert_step(struct plan_step *step) {
    float low, high;
    memcpy(&low, &step->activation_min, sizeof low);
    memcpy(&high, &step->activation_max, sizeof high);
    if (!(low <= high)) {
        low = -1.0f;
        high = 6.0f;
        memcpy(&step->activation_min, &low, sizeof low);
        memcpy(&step->activation_max, &high, sizeof high);
    }
    if (step->op != OPERATOR_CONCATENATION) {
        const int32_t alpha = step->p[LEAKY_ALPHA_BITS];
        memset(step->p, 0, sizeof step->p);
        const bool finite = (alpha & 0x7F800000) != 0x7F800000;
        step->p[LEAKY_ALPHA_BITS] = step->op == OPERATOR_LEAKY_RELU && finite ? alpha : 0;
    }
}

static void convert_tensors(struct draft *draft) {
    for (uint32_t i = 0; i < draft->header.tensor_count; i++) {
        draft->tensors[i].dtype = DTYPE_FLOAT32;
    }
}

static void repair_step(struct draft *draft, struct plan_step *step, uint32_t *noise) {
    const uint16_t count = draft->header.tensor_count;
    const uint32_t operators = has_floats(draft) ? OPERATOR_LEAKY_RELU : PLAN_LAST_OPERATOR;
    step->op = (uint8_t)(OPERATOR_CONV2D + (step->op + operators - 1u) % operators);
    step->reserved0 = 0;
    step->input0 %= count;
    step->output %= count;
    step->input1 = has_second_input(step) ? step->input1 % count : PLAN_NO_TENSOR;
    step->groups = step->op == OPERATOR_CONV2D ? step->groups % 5u : 1;
    step->groups = at_least_one(step->groups);
    step->depth_multiplier =
        step->op == OPERATOR_DEPTHWISE_CONV2D ? at_least_one(step->depth_multiplier) : 1;
    if (!has_floats(draft)) {
        repair_bounds(step);
    }
    repair_window(step, is_windowed(step), noise);
    repair_constants(step);

    struct plan_tensor *in = &draft->tensors[step->input0], *out = &draft->tensors[step->output];
    if (step->op == OPERATOR_DENSE) {
        shape(in, 1, 1, in->channels);
    }
    in->channels = in->channels == 0 ? 1 : in->channels;
    out->channels = out->channels == 0 ? 1 : out->channels;
    if (step->groups > 1u) {
        in->channels += step->groups - 1u - (in->channels - 1u) % step->groups;
        out->channels += step->groups - 1u - (out->channels - 1u) % step->groups;
    }
    shape(in, at_least_one(in->height), at_least_one(in->width), in->channels);
    const uint32_t taps = (uint32_t)step->kernel_h * step->kernel_w;
    uint32_t channels = in->channels, weights = 0;
    bool per_channel = false;
    switch (step->op) {
    case OPERATOR_CONV2D:
        channels = out->channels;
        weights = taps * (in->channels / step->groups) * channels;
        per_channel = true;
        break;
    case OPERATOR_DEPTHWISE_CONV2D:
        channels = in->channels * step->depth_multiplier;
        weights = taps * channels;
        per_channel = true;
        break;
    case OPERATOR_DENSE:
        channels = out->channels;
        weights = in->channels * channels;
        break;
    default:
        break;
    }
    if (is_windowed(step)) {
        shape(out,
              windows(in->height, reach(step->kernel_h, step->dilation_h), step->stride_h,
                      step->pad_top, noise),
              windows(in->width, reach(step->kernel_w, step->dilation_w), step->stride_w,
                      step->pad_left, noise),
              channels);
    } else if (step->op == OPERATOR_DENSE || step->op == OPERATOR_GLOBAL_AVERAGE_POOL2D ||
               step->op == OPERATOR_GLOBAL_MAX_POOL2D) {
        shape(out, 1, 1, channels);
    } else if (step->op == OPERATOR_PAD) {
        shape(out, in->height + step->pad_top + noise_below(noise, 4u),
              in->width + step->pad_left + noise_below(noise, 4u), channels);
    } else if (step->op == OPERATOR_CONCATENATION) {
        repair_joined(draft, step);
    } else {
        shape(out, in->height, in->width, channels);
    }
    if (plan_is_binary(step->op)) {
        repair_operands(draft, step, noise);
    } else if (step->op == OPERATOR_QUANTIZE) {
        in->dtype = DTYPE_FLOAT32;
    } else if (step->op == OPERATOR_DEQUANTIZE) {
        out->dtype = DTYPE_FLOAT32;
    }
    per_channel = per_channel && !has_floats(draft);
    if (per_channel && step->multipliers == PLAN_NO_TENSOR) {
        step->multipliers = step->shifts = step->bias;
    }
    parameter(draft, &step->weights, DTYPE_INT8, weights);
    parameter(draft, &step->bias, DTYPE_INT32, weights == 0 ? 0 : channels);
    parameter(draft, &step->multipliers, DTYPE_INT32, per_channel ? channels : 0);
    parameter(draft, &step->shifts, DTYPE_INT32, per_channel ? channels : 0);
    if (has_floats(draft)) {
        convert_step(step);
    }
}

static uint32_t up(uint32_t bytes) {
    return (bytes + 15u) & ~15u;
}

/* Lays all tensors out side by side in their regions, and scratch memory behind those in RAM. */
static void lay_out(struct draft *draft) {
    struct plan_header *header = &draft->header;
    uint32_t arena = 0, parameters = 0;
    for (uint32_t i = 0; i < header->tensor_count; i++) {
        struct plan_tensor *t = &draft->tensors[i];
        t->region %= 2u;
        t->dtype %= 3u;
        t->height = at_least_one(t->height);
        t->width = at_least_one(t->width);
        t->channels = t->channels == 0 ? 1 : t->channels;
        t->reserved = 0;
        t->zero_point = t->dtype == DTYPE_INT8 ? (int8_t)t->zero_point : 0;
        t->bytes = (uint32_t)t->height * t->width * t->channels * (t->dtype == DTYPE_INT8 ? 1u : 4u);
        uint32_t *end = t->region == REGION_ARENA ? &arena : &parameters;
        t->offset = *end;
        *end += up(t->bytes);
    }
    const struct plan plan = {.kernels = kernels_find(header->kernel_set),
                              .header = header,
                              .tensors = draft->tensors,
                              .steps = draft->steps};
    uint32_t scratch = 0;
    for (uint32_t i = 0; i < header->step_count; i++) {
        struct plan_step *step = &draft->steps[i];
        const uint64_t taps = (uint64_t)step->kernel_h * step->kernel_w;
        /* Arm's functions count in 32 bits: larger windows are not asked about. */
        const bool small = taps * draft->tensors[step->input0].channels <= 4u * 0xFFFFu &&
                           step->groups != 0;
        step->scratch_offset = arena;
        step->scratch_bytes = small ? kernels_scratch_bytes(&plan, step) : 0;
        scratch = step->scratch_bytes > scratch ? step->scratch_bytes : scratch;
    }
    header->arena_bytes = arena + up(scratch);
    header->parameter_bytes = parameters;
}

size_t plan_repair(uint8_t *bytes, size_t size, uint32_t *noise) {
    static struct draft draft;
    if (!take(&draft, bytes, size)) {
        return size;
    }
    struct plan_header *header = &draft.header;
    header->kernel_set %= 3u;
    for (uint32_t i = 0; i < header->step_count; i++) {
        repair_step(&draft, &draft.steps[i], noise);
    }
    if (has_floats(&draft)) {
        convert_tensors(&draft);
    }
    lay_out(&draft);
    header->magic = PLAN_MAGIC;
    header->version = PLAN_VERSION;
    header->header_bytes = sizeof *header;
    header->input_tensor %= header->tensor_count;
    header->output_tensor %= header->tensor_count;
    header->parameters %= 2u;
    header->reserved0 = 0;
    memset(header->reserved1, 0, sizeof header->reserved1);
    header->plan_bytes = (uint32_t)(sizeof *header + draft.tensor_bytes + draft.step_bytes);
    return put(&draft, bytes);
}
