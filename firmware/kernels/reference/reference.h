/* Kernels in portable C. Each gives the bits of the TensorFlow Lite for Microcontrollers function
 * that it names. */
#ifndef HWNAS_REFERENCE_KERNELS_H
#define HWNAS_REFERENCE_KERNELS_H

#include "shared.h"

void reference_dense(const struct plan *plan, const struct plan_step *step);

#endif
