/* The kernel set of unquantized networks: portable C. */
#include "float32.h"

#include "kernels.h"

static int32_t run(const struct plan *plan, const struct plan_step *step) {
    static const kernel kernels[PLAN_LAST_OPERATOR + 1] = {
        [OPERATOR_CONV2D] = float32_conv2d,
        [OPERATOR_DEPTHWISE_CONV2D] = float32_depthwise_conv2d,
        [OPERATOR_DENSE] = float32_dense,
        [OPERATOR_MAX_POOL2D] = float32_max_pool2d,
        [OPERATOR_AVERAGE_POOL2D] = float32_average_pool2d,
        [OPERATOR_GLOBAL_AVERAGE_POOL2D] = float32_global_average_pool2d,
        [OPERATOR_GLOBAL_MAX_POOL2D] = float32_global_max_pool2d,
        [OPERATOR_SOFTMAX] = float32_softmax,
        [OPERATOR_RELU] = float32_relu,
        [OPERATOR_LEAKY_RELU] = float32_leaky_relu,
        [OPERATOR_LOGISTIC] = float32_logistic,
        [OPERATOR_TANH] = float32_tanh,
        [OPERATOR_HARD_SWISH] = float32_hard_swish,
        [OPERATOR_ADD] = float32_add,
        [OPERATOR_SUB] = float32_sub,
        [OPERATOR_MUL] = float32_mul,
        [OPERATOR_CONCATENATION] = own_concatenation,
        [OPERATOR_PAD] = own_pad,
    };
    kernels[step->op](plan, step);
    return 0;
}

const struct kernel_set float32_kernels = {.dtype = DTYPE_FLOAT32, .run = run};
