/* Which kernel sets the image carries. Not part of the measured code: the table holds addresses, which
 * change when one of the sets grows. */
#include <stddef.h>

#include "kernels.h"

/* The build leaves sets out (HWNAS_KERNEL_SETS in CMakeLists.txt). */
static const struct kernel_set *const sets[KERNELS_FLOAT32 + 1] = {
#ifdef HWNAS_HAS_CMSIS_NN
    [KERNELS_CMSIS_NN] = &cmsis_nn_kernels,
#endif
#ifdef HWNAS_HAS_REFERENCE
    [KERNELS_REFERENCE] = &reference_kernels,
#endif
#ifdef HWNAS_HAS_FLOAT32
    [KERNELS_FLOAT32] = &float32_kernels,
#endif
};

const struct kernel_set *kernels_find(uint8_t number) {
    return number < sizeof sets / sizeof *sets ? sets[number] : NULL;
}

uint32_t kernels_scratch_bytes(const struct plan *plan, const struct plan_step *step) {
    return plan->kernels->scratch_bytes == NULL ? 0 : plan->kernels->scratch_bytes(plan, step);
}
