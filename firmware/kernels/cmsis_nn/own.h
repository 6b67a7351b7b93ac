/* Kernels of hwnas for the operators that the pinned CMSIS-NN sources lack. Each gives the bits of
 * the TensorFlow Lite for Microcontrollers function that it names. */
#ifndef HWNAS_OWN_KERNELS_H
#define HWNAS_OWN_KERNELS_H

#include "shared.h"

void own_add(const struct plan *plan, const struct plan_step *step);
void own_global_average_pool(const struct plan *plan, const struct plan_step *step);
void own_global_max_pool(const struct plan *plan, const struct plan_step *step);
void own_grouped_convolution(const struct plan *plan, const struct plan_step *step);
void own_hard_swish(const struct plan *plan, const struct plan_step *step);
void own_leaky_relu(const struct plan *plan, const struct plan_step *step);
void own_logistic(const struct plan *plan, const struct plan_step *step);
void own_mul(const struct plan *plan, const struct plan_step *step);
void own_rescale(const struct plan *plan, const struct plan_step *step);
void own_softmax(const struct plan *plan, const struct plan_step *step);
void own_sub(const struct plan *plan, const struct plan_step *step);
void own_tanh(const struct plan *plan, const struct plan_step *step);

/* Bytes of scratch memory that own_grouped_convolution asks for. */
uint32_t own_grouped_convolution_scratch_bytes(const struct plan *plan,
                                               const struct plan_step *step);

#endif
