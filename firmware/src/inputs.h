/* Seeded inputs: the same values before every repetition. */
#ifndef HWNAS_INPUTS_H
#define HWNAS_INPUTS_H

#include "plan.h"

/* Fills the arena tensors that steps read and no step writes. */
void inputs_fill(const struct plan *plan);

#endif
