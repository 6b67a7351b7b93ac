/* A fence around every step: while a kernel runs, AddressSanitizer lets it touch nothing of arena
 * and parameters but the tensors and the scratch memory that its step names. */
#ifndef HWNAS_FUZZ_FENCE_H
#define HWNAS_FUZZ_FENCE_H

#include <stdint.h>

/* Multiply-accumulates and bytes moved, together, that the steps of one input may take; those
 * beyond it are left out. Plans that are as large as the board allows would take seconds each. */
void fence_allow(uint64_t work);

#endif
