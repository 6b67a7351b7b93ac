/* The kernel sets of the image: each computes the steps of a checked plan in its own way. */
#ifndef HWNAS_KERNELS_H
#define HWNAS_KERNELS_H

#include "plan.h"

struct kernel_set {
    /* What its activations and weights are. */
    enum plan_dtype dtype;
    /* Runs a step; 0, or a code of the kernel that refused it. */
    int32_t (*run)(const struct plan *plan, const struct plan_step *step);
    /* Bytes of scratch memory that the step's kernel asks for. The step's shapes must have been
     * checked. NULL where no kernel of the set asks for any. */
    uint32_t (*scratch_bytes)(const struct plan *plan, const struct plan_step *step);
};

extern const struct kernel_set cmsis_nn_kernels, reference_kernels, float32_kernels;

/* The set of that number in plans; NULL where the image does not carry it. */
const struct kernel_set *kernels_find(uint8_t number);

int32_t kernels_run(const struct plan *plan, const struct plan_step *step);

uint32_t kernels_scratch_bytes(const struct plan *plan, const struct plan_step *step);

#endif
