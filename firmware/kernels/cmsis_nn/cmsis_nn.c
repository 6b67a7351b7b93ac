/* Hands steps to CMSIS-NN, which picks the fastest variant of its kernels, and to hwnas's own. */
#include "arm_nnfunctions.h"
#include "kernels.h"
#include "own.h"

static cmsis_nn_dims dims_of(const struct plan_tensor *t) {
    return (cmsis_nn_dims){1, t->height, t->width, (int32_t)t->channels};
}

static const int8_t *int8_data(const struct plan *plan, uint16_t tensor) {
    return plan_data(plan, tensor);
}

static const int32_t *bias_data(const struct plan *plan, const struct plan_step *step) {
    return step->bias == PLAN_NO_TENSOR ? NULL : plan_data(plan, step->bias);
}

static cmsis_nn_context scratch_of(const struct plan *plan, const struct plan_step *step) {
    return (cmsis_nn_context){plan->arena + step->scratch_offset, (int32_t)step->scratch_bytes};
}

/* CMSIS-NN takes the factors through pointers to non-const, and only reads them. */
static cmsis_nn_per_channel_quant_params factors_of(const struct plan *plan,
                                                    const struct plan_step *step) {
    return (cmsis_nn_per_channel_quant_params){(int32_t *)plan_data(plan, step->multipliers),
                                               (int32_t *)plan_data(plan, step->shifts)};
}

static cmsis_nn_tile stride_of(const struct plan_step *step) {
    return (cmsis_nn_tile){step->stride_w, step->stride_h};
}

static cmsis_nn_tile padding_of(const struct plan_step *step) {
    return (cmsis_nn_tile){step->pad_left, step->pad_top};
}

static cmsis_nn_tile dilation_of(const struct plan_step *step) {
    return (cmsis_nn_tile){step->dilation_w, step->dilation_h};
}

static cmsis_nn_activation bounds_of(const struct plan_step *step) {
    return (cmsis_nn_activation){step->activation_min, step->activation_max};
}

static cmsis_nn_conv_params conv_params(const struct plan *plan, const struct plan_step *step) {
    return (cmsis_nn_conv_params){
        .input_offset = -plan->tensors[step->input0].zero_point,
        .output_offset = plan->tensors[step->output].zero_point,
        .stride = stride_of(step),
        .padding = padding_of(step),
        .dilation = dilation_of(step),
        .activation = bounds_of(step),
    };
}

static cmsis_nn_dims conv_filter(const struct plan *plan, const struct plan_step *step) {
    return (cmsis_nn_dims){(int32_t)plan->tensors[step->output].channels, step->kernel_h,
                           step->kernel_w, (int32_t)plan->tensors[step->input0].channels};
}

static int32_t run_conv(const struct plan *plan, const struct plan_step *step) {
    const cmsis_nn_context scratch = scratch_of(plan, step);
    const cmsis_nn_conv_params params = conv_params(plan, step);
    const cmsis_nn_per_channel_quant_params factors = factors_of(plan, step);
    const cmsis_nn_dims input = dims_of(&plan->tensors[step->input0]);
    const cmsis_nn_dims filter = conv_filter(plan, step);
    const cmsis_nn_dims output = dims_of(&plan->tensors[step->output]);
    const cmsis_nn_dims bias = {output.c, 1, 1, 1};
    return arm_convolve_wrapper_s8(&scratch, &params, &factors, &input,
                                   int8_data(plan, step->input0), &filter,
                                   int8_data(plan, step->weights), &bias, bias_data(plan, step),
                                   &output, output_of(plan, step));
}

static cmsis_nn_dw_conv_params depthwise_params(const struct plan *plan,
                                                const struct plan_step *step) {
    return (cmsis_nn_dw_conv_params){
        .input_offset = -plan->tensors[step->input0].zero_point,
        .output_offset = plan->tensors[step->output].zero_point,
        .ch_mult = step->depth_multiplier,
        .stride = stride_of(step),
        .padding = padding_of(step),
        .dilation = dilation_of(step),
        .activation = bounds_of(step),
    };
}

static cmsis_nn_dims depthwise_filter(const struct plan *plan, const struct plan_step *step) {
    return (cmsis_nn_dims){1, step->kernel_h, step->kernel_w,
                           (int32_t)plan->tensors[step->output].channels};
}

static bool is_plain_3x3(const struct plan_step *step) {
    return step->depth_multiplier == 1 && step->kernel_h == 3 && step->kernel_w == 3 &&
           step->dilation_h == 1 && step->dilation_w == 1;
}

/* Whether arm_depthwise_conv_3x3_s8 computes a plain 3x3 step. It reads the middle column of every
 * window without asking whether it is there, and its wrapper looks at the padding on the left
 * only. */
static bool suits_3x3_kernel(const struct plan *plan, const struct plan_step *step) {
    const int32_t last = (plan->tensors[step->output].width - 1) * step->stride_w - step->pad_left;
    return step->pad_top <= 1 && step->pad_left <= 1 &&
           last + 1 < plan->tensors[step->input0].width;
}

static int32_t run_depthwise(const struct plan *plan, const struct plan_step *step) {
    const cmsis_nn_context scratch = scratch_of(plan, step);
    const cmsis_nn_dw_conv_params params = depthwise_params(plan, step);
    const cmsis_nn_per_channel_quant_params factors = factors_of(plan, step);
    const cmsis_nn_dims input = dims_of(&plan->tensors[step->input0]);
    const cmsis_nn_dims filter = depthwise_filter(plan, step);
    const cmsis_nn_dims output = dims_of(&plan->tensors[step->output]);
    const cmsis_nn_dims bias = {output.c, 1, 1, 1};
    const bool general = is_plain_3x3(step) && !suits_3x3_kernel(plan, step);
    return (general ? arm_depthwise_conv_s8_opt : arm_depthwise_conv_wrapper_s8)(
        &scratch, &params, &factors, &input, int8_data(plan, step->input0), &filter,
        int8_data(plan, step->weights), &bias, bias_data(plan, step), &output,
        output_of(plan, step));
}

static int32_t run_dense(const struct plan *plan, const struct plan_step *step) {
    const cmsis_nn_context scratch = scratch_of(plan, step);
    const cmsis_nn_fc_params params = {
        .input_offset = -plan->tensors[step->input0].zero_point,
        .filter_offset = 0,
        .output_offset = plan->tensors[step->output].zero_point,
        .activation = bounds_of(step),
    };
    const cmsis_nn_per_tensor_quant_params factor = {step->p[DENSE_MULTIPLIER],
                                                     step->p[DENSE_SHIFT]};
    const cmsis_nn_dims input = dims_of(&plan->tensors[step->input0]);
    const cmsis_nn_dims output = dims_of(&plan->tensors[step->output]);
    const cmsis_nn_dims filter = {input.c, 1, 1, output.c};
    const cmsis_nn_dims bias = {output.c, 1, 1, 1};
    return arm_fully_connected_s8(&scratch, &params, &factor, &input,
                                  int8_data(plan, step->input0), &filter,
                                  int8_data(plan, step->weights), &bias, bias_data(plan, step),
                                  &output, output_of(plan, step));
}

static int32_t run_pool(const struct plan *plan, const struct plan_step *step) {
    const cmsis_nn_context scratch = scratch_of(plan, step);
    const cmsis_nn_pool_params params = {stride_of(step), padding_of(step), bounds_of(step)};
    const cmsis_nn_dims input = dims_of(&plan->tensors[step->input0]);
    const cmsis_nn_dims window = {1, step->kernel_h, step->kernel_w, 1};
    const cmsis_nn_dims output = dims_of(&plan->tensors[step->output]);
    return (step->op == OPERATOR_MAX_POOL2D ? arm_max_pool_s8 : arm_avgpool_s8)(
        &scratch, &params, &input, int8_data(plan, step->input0), &window, &output,
        output_of(plan, step));
}

static void run_own(const struct plan *plan, const struct plan_step *step) {
    static const kernel kernels[PLAN_LAST_OPERATOR + 1] = {
        [OPERATOR_GLOBAL_AVERAGE_POOL2D] = own_global_average_pool,
        [OPERATOR_SOFTMAX] = own_softmax,
        [OPERATOR_RELU] = own_rescale,
        [OPERATOR_ADD] = own_add,
        [OPERATOR_SUB] = own_sub,
        [OPERATOR_MUL] = own_mul,
        [OPERATOR_CONCATENATION] = own_concatenation,
        [OPERATOR_PAD] = own_pad,
        [OPERATOR_GLOBAL_MAX_POOL2D] = own_global_max_pool,
        [OPERATOR_LOGISTIC] = own_logistic,
        [OPERATOR_TANH] = own_tanh,
        [OPERATOR_HARD_SWISH] = own_hard_swish,
        [OPERATOR_LEAKY_RELU] = own_leaky_relu,
        [OPERATOR_QUANTIZE] = own_quantize,
        [OPERATOR_DEQUANTIZE] = own_dequantize,
        [OPERATOR_REQUANTIZE] = own_rescale,
    };
    kernels[step->op](plan, step);
}

static int32_t run(const struct plan *plan, const struct plan_step *step) {
    switch (step->op) {
    case OPERATOR_CONV2D:
        if (step->groups == 1) {
            return run_conv(plan, step);
        }
        own_grouped_convolution(plan, step);
        return 0;
    case OPERATOR_DEPTHWISE_CONV2D:
        return run_depthwise(plan, step);
    case OPERATOR_DENSE:
        return run_dense(plan, step);
    case OPERATOR_MAX_POOL2D:
    case OPERATOR_AVERAGE_POOL2D:
        return run_pool(plan, step);
    default:
        run_own(plan, step);
        return 0;
    }
}

static uint32_t scratch_bytes(const struct plan *plan, const struct plan_step *step) {
    const cmsis_nn_dims input = dims_of(&plan->tensors[step->input0]);
    const cmsis_nn_dims output = dims_of(&plan->tensors[step->output]);
    switch (step->op) {
    case OPERATOR_CONV2D: {
        if (step->groups != 1) {
            return own_grouped_convolution_scratch_bytes(plan, step);
        }
        const cmsis_nn_conv_params params = conv_params(plan, step);
        const cmsis_nn_dims filter = conv_filter(plan, step);
        return (uint32_t)arm_convolve_wrapper_s8_get_buffer_size(&params, &input, &filter,
                                                                 &output);
    }
    case OPERATOR_DEPTHWISE_CONV2D: {
        if (is_plain_3x3(step) && suits_3x3_kernel(plan, step)) {
            return 0; /* arm_depthwise_conv_3x3_s8 uses none, although its wrapper asks for some */
        }
        const cmsis_nn_dw_conv_params params = depthwise_params(plan, step);
        const cmsis_nn_dims filter = depthwise_filter(plan, step);
        return (uint32_t)arm_depthwise_conv_wrapper_s8_get_buffer_size(&params, &input, &filter,
                                                                       &output);
    }
    case OPERATOR_AVERAGE_POOL2D:
        return (uint32_t)arm_avgpool_s8_get_buffer_size(output.w, input.c);
    default:
        return 0;
    }
}

const struct kernel_set cmsis_nn_kernels = {DTYPE_INT8, run, scratch_bytes};
