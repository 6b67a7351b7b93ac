/* Computes one step of a checked plan. */
#ifndef HWNAS_KERNELS_H
#define HWNAS_KERNELS_H

#include <stdint.h>

#include "plan.h"

/* Runs a step; 0, or a code of the kernel that refused it. */
int32_t kernels_run(const struct plan *plan, const struct plan_step *step);

/* Bytes of scratch memory that the step's kernel asks for. The step's shapes must have been
 * checked. */
uint32_t kernels_scratch_bytes(const struct plan *plan, const struct plan_step *step);

#endif
