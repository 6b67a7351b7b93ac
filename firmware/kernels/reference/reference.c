/* The kernel set without CMSIS-NN and without the DSP extension: portable C, one element after the
 * other, with the bits of TensorFlow Lite for Microcontrollers. */
#include "reference.h"

#include "kernels.h"

static int32_t run(const struct plan *plan, const struct plan_step *step) {
    static const kernel kernels[PLAN_LAST_OPERATOR + 1] = {
        [OPERATOR_CONV2D] = reference_conv2d,
        [OPERATOR_DEPTHWISE_CONV2D] = reference_depthwise_conv2d,
        [OPERATOR_DENSE] = reference_dense,
        [OPERATOR_MAX_POOL2D] = reference_max_pool2d,
        [OPERATOR_AVERAGE_POOL2D] = reference_average_pool2d,
        [OPERATOR_GLOBAL_AVERAGE_POOL2D] = reference_global_average_pool2d,
        [OPERATOR_SOFTMAX] = reference_softmax,
        [OPERATOR_RELU] = reference_rescale,
        [OPERATOR_ADD] = reference_add,
        [OPERATOR_SUB] = reference_sub,
        [OPERATOR_MUL] = reference_mul,
        [OPERATOR_CONCATENATION] = own_concatenation,
        [OPERATOR_PAD] = own_pad,
        [OPERATOR_GLOBAL_MAX_POOL2D] = reference_global_max_pool2d,
        [OPERATOR_LOGISTIC] = reference_logistic,
        [OPERATOR_TANH] = reference_tanh,
        [OPERATOR_HARD_SWISH] = reference_hard_swish,
        [OPERATOR_LEAKY_RELU] = reference_leaky_relu,
        [OPERATOR_QUANTIZE] = own_quantize,
        [OPERATOR_DEQUANTIZE] = own_dequantize,
        [OPERATOR_REQUANTIZE] = reference_rescale,
    };
    kernels[step->op](plan, step);
    return 0;
}

const struct kernel_set reference_kernels = {.dtype = DTYPE_INT8, .run = run};
