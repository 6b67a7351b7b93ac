/* Kernels in portable C. Each gives the bits of the TensorFlow Lite for Microcontrollers function
 * that it names. */
#ifndef HWNAS_REFERENCE_KERNELS_H
#define HWNAS_REFERENCE_KERNELS_H

#include "shared.h"

void reference_add(const struct plan *plan, const struct plan_step *step);
void reference_average_pool2d(const struct plan *plan, const struct plan_step *step);
void reference_conv2d(const struct plan *plan, const struct plan_step *step);
void reference_dense(const struct plan *plan, const struct plan_step *step);
void reference_depthwise_conv2d(const struct plan *plan, const struct plan_step *step);
void reference_global_average_pool2d(const struct plan *plan, const struct plan_step *step);
void reference_global_max_pool2d(const struct plan *plan, const struct plan_step *step);
void reference_hard_swish(const struct plan *plan, const struct plan_step *step);
void reference_leaky_relu(const struct plan *plan, const struct plan_step *step);
void reference_logistic(const struct plan *plan, const struct plan_step *step);
void reference_max_pool2d(const struct plan *plan, const struct plan_step *step);
void reference_mul(const struct plan *plan, const struct plan_step *step);
void reference_rescale(const struct plan *plan, const struct plan_step *step);
void reference_softmax(const struct plan *plan, const struct plan_step *step);
void reference_sub(const struct plan *plan, const struct plan_step *step);
void reference_tanh(const struct plan *plan, const struct plan_step *step);

#endif
