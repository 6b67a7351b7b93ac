/* The kernel set of unquantized networks: portable C, one element after the other. */
#include "float32.h"

#include "kernels.h"

static int32_t run(const struct plan *plan, const struct plan_step *step) {
    static const kernel kernels[PLAN_LAST_OPERATOR + 1] = {
        [OPERATOR_CONCATENATION] = own_concatenation,
        [OPERATOR_PAD] = own_pad,
        [OPERATOR_DENSE] = float32_dense,
    };
    kernels[step->op](plan, step);
    return 0;
}

const struct kernel_set float32_kernels = {.dtype = DTYPE_FLOAT32, .run = run};
