/* The kernel set without CMSIS-NN and without the DSP extension: portable C, one element after the
 * other, with the bits of TensorFlow Lite for Microcontrollers. */
#include "reference.h"

#include "kernels.h"

static int32_t run(const struct plan *plan, const struct plan_step *step) {
    static const kernel kernels[PLAN_LAST_OPERATOR + 1] = {
        [OPERATOR_CONCATENATION] = own_concatenation,
        [OPERATOR_PAD] = own_pad,
        [OPERATOR_QUANTIZE] = own_quantize,
        [OPERATOR_DEQUANTIZE] = own_dequantize,
        [OPERATOR_DENSE] = reference_dense,
    };
    kernels[step->op](plan, step);
    return 0;
}

const struct kernel_set reference_kernels = {.dtype = DTYPE_INT8, .run = run};
