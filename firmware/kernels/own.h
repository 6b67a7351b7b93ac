/* Kernels of hwnas for the operators that the pinned CMSIS-NN sources lack. Each gives the bits of
 * the TensorFlow Lite for Microcontrollers function that it names. */
#ifndef HWNAS_OWN_KERNELS_H
#define HWNAS_OWN_KERNELS_H

#include "plan.h"

void own_add(const struct plan *plan, const struct plan_step *step);
void own_global_average_pool(const struct plan *plan, const struct plan_step *step);
void own_relu(const struct plan *plan, const struct plan_step *step);
void own_softmax(const struct plan *plan, const struct plan_step *step);

#endif
