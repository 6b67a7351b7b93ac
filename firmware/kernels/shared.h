/* Kernels that no kernel set has a better version of: they move bytes, or convert floats one by one.
 */
#ifndef HWNAS_SHARED_KERNELS_H
#define HWNAS_SHARED_KERNELS_H

#include "plan.h"

/* Computes a step and cannot fail. */
typedef void (*kernel)(const struct plan *plan, const struct plan_step *step);

void own_concatenation(const struct plan *plan, const struct plan_step *step);
void own_dequantize(const struct plan *plan, const struct plan_step *step);
void own_pad(const struct plan *plan, const struct plan_step *step);
void own_quantize(const struct plan *plan, const struct plan_step *step);

static inline void *output_of(const struct plan *plan, const struct plan_step *step) {
    return plan->arena + plan->tensors[step->output].offset;
}

#endif
