#include "check.h"

/* Whether windows that reach over `reach` elements, `stride` apart and starting `pad` before the
 * axis, give `out` values along `in` elements, each window touching the axis, and leave no room for
 * another. */
static bool slides(uint32_t in, uint32_t out, uint32_t reach, uint32_t stride, uint32_t pad) {
    const int64_t end = (int64_t)(out - 1u) * stride + reach - pad; /* of the last window */
    const int64_t beyond = end - in;
    return pad < reach && beyond < (int64_t)reach && -beyond < (int64_t)stride;
}

/* Elements from the first to the last that a window reads; the fields count 16 bits. */
static uint32_t reach_of(uint32_t kernel, uint32_t dilation) {
    return (kernel - 1u) * dilation + 1u;
}

static uint32_t check_window(const struct checked_step *s) {
    const struct plan_step *step = s->step;
    const uint32_t rows = reach_of(step->kernel_h, step->dilation_h);
    const uint32_t columns = reach_of(step->kernel_w, step->dilation_w);
    if (step->kernel_h < 1u || rows > LARGEST_SIDE) {
        return STEP_FIELD(kernel_h);
    }
    if (step->kernel_w < 1u || columns > LARGEST_SIDE) {
        return STEP_FIELD(kernel_w);
    }
    if (step->stride_h < 1u || step->stride_w < 1u) {
        return step->stride_h < 1u ? STEP_FIELD(stride_h) : STEP_FIELD(stride_w);
    }
    if (!slides(s->inputs[0]->height, s->output->height, rows, step->stride_h, step->pad_top)) {
        return STEP_FIELD(pad_top);
    }
    if (!slides(s->inputs[0]->width, s->output->width, columns, step->stride_w, step->pad_left)) {
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
    if (step->op != OPERATOR_PAD && (step->pad_top != 0 || step->pad_left != 0)) {
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

static uint32_t check_convolution(const struct checked_step *s) {
    const struct plan_step *step = s->step;
    const uint64_t taps = (uint64_t)step->kernel_h * step->kernel_w;
    const uint32_t in = s->inputs[0]->channels, out = s->output->channels;
    if (in % step->groups != 0 || out % step->groups != 0) {
        return STEP_FIELD(groups);
    }
    const uint64_t products = taps * (in / step->groups);
    if (products > LARGEST_COUNT) {
        return STEP_FIELD(kernel_h);
    }
    return check_parameters(s, products * out, true);
}

static uint32_t check_depthwise(const struct checked_step *s) {
    const struct plan_step *step = s->step;
    const uint64_t taps = (uint64_t)step->kernel_h * step->kernel_w;
    if (taps > LARGEST_COUNT) {
        return STEP_FIELD(kernel_h);
    }
    if (s->output->channels != s->inputs[0]->channels * step->depth_multiplier) {
        return STEP_FIELD(depth_multiplier);
    }
    return check_parameters(s, taps * s->output->channels, true);
}

static uint32_t check_dense(const struct checked_step *s) {
    const struct plan_tensor *in = s->inputs[0], *out = s->output;
    if (!is_vector(in) || !is_vector(out)) {
        return is_vector(in) ? STEP_FIELD(output) : STEP_FIELD(input0);
    }
    return check_parameters(s, (uint64_t)in->channels * out->channels, false);
}

/* One operand is as large as the output, the other is too, or is repeated. */
static uint32_t check_binary(const struct checked_step *s) {
    const struct plan_tensor *out = s->output;
    for (uint32_t i = 0; i < 2u; i++) {
        const uint32_t elements = elements_of(s->inputs[i]);
        if (elements != elements_of(out) && elements != out->channels && elements != 1u) {
            return i == 0 ? STEP_FIELD(input0) : STEP_FIELD(input1);
        }
    }
    return s->inputs[0]->bytes == out->bytes || s->inputs[1]->bytes == out->bytes
               ? SOUND
               : STEP_FIELD(output);
}

static uint32_t side_of(const struct plan_tensor *t, uint32_t axis) {
    return axis == JOINED_CHANNELS ? t->channels : axis == JOINED_WIDTH ? t->width : t->height;
}

static uint32_t check_concatenation(const struct checked_step *s) {
    const uint32_t joined = (uint32_t)s->step->p[JOINED_AXIS];
    for (uint32_t axis = JOINED_CHANNELS; axis <= JOINED_HEIGHT; axis++) {
        uint32_t sum = 0; /* of at most 11 sides below 2^16 */
        bool equal = true;
        for (uint32_t i = 0; i < s->input_count; i++) {
            sum += side_of(s->inputs[i], axis);
            equal = equal && side_of(s->inputs[i], axis) == side_of(s->output, axis);
        }
        if (axis == joined ? sum != side_of(s->output, axis) : !equal) {
            return STEP_FIELD(output);
        }
    }
    return SOUND;
}

static uint32_t check_pad(const struct checked_step *s) {
    const struct plan_tensor *in = s->inputs[0], *out = s->output;
    if ((uint32_t)in->height + s->step->pad_top > out->height) {
        return STEP_FIELD(pad_top);
    }
    if ((uint32_t)in->width + s->step->pad_left > out->width) {
        return STEP_FIELD(pad_left);
    }
    return in->channels == out->channels ? SOUND : STEP_FIELD(output);
}

static uint32_t check_output(const struct checked_step *s) {
    const struct plan_tensor *in = s->inputs[0], *out = s->output;
    switch (s->step->op) {
    case OPERATOR_MAX_POOL2D:
    case OPERATOR_AVERAGE_POOL2D:
        return out->channels == in->channels ? SOUND : STEP_FIELD(output);
    case OPERATOR_GLOBAL_AVERAGE_POOL2D:
    case OPERATOR_GLOBAL_MAX_POOL2D:
        return is_vector(out) && out->channels == in->channels ? SOUND : STEP_FIELD(output);
    case OPERATOR_ADD:
    case OPERATOR_SUB:
    case OPERATOR_MUL:
        return check_binary(s);
    case OPERATOR_CONCATENATION:
        return check_concatenation(s);
    case OPERATOR_PAD:
        return check_pad(s);
    default: /* one element becomes one element */
        return same_shape(in, out) ? SOUND : STEP_FIELD(output);
    }
}

uint32_t check_shapes(const struct checked_step *s) {
    const uint8_t op = s->step->op;
    const bool windowed = op == OPERATOR_CONV2D || op == OPERATOR_DEPTHWISE_CONV2D ||
                          op == OPERATOR_MAX_POOL2D || op == OPERATOR_AVERAGE_POOL2D;
    const uint32_t fault = windowed ? check_window(s) : check_no_window(s->step);
    if (fault != SOUND) {
        return fault;
    }
    switch (op) {
    case OPERATOR_CONV2D:
        return check_convolution(s);
    case OPERATOR_DEPTHWISE_CONV2D:
        return check_depthwise(s);
    case OPERATOR_DENSE:
        return check_dense(s);
    default: {
        const uint32_t output = check_output(s);
        return output == SOUND ? check_parameters(s, 0, false) : output;
    }
    }
}
