/* A neural network made by hwnas, for one product: see README.md beside this folder.
 *
 *     static uint8_t arena[HWNAS_ARENA_BYTES] __attribute__((aligned(HWNAS_ARENA_ALIGNMENT)));
 *     hwnas_init(arena, sizeof arena);
 *     hwnas_run(input, output);
 *
 * Not for several threads or interrupts at once. */
#ifndef HWNAS_H
#define HWNAS_H

#include <stddef.h>

#include "hwnas_model.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HWNAS_ARENA_ALIGNMENT 16

enum hwnas_result {
    HWNAS_OK = 0,
    HWNAS_NOT_STARTED = 1,     /* hwnas_init did not succeed before */
    HWNAS_ARENA_TOO_SMALL = 2, /* fewer than HWNAS_ARENA_BYTES */
    HWNAS_ARENA_UNALIGNED = 3, /* its address is no multiple of HWNAS_ARENA_ALIGNMENT */
    HWNAS_MODEL_DAMAGED = 4,   /* the model's bytes are not those that were exported */
    HWNAS_KERNEL_FAILED = 5
};

/* Checks the model and keeps the arena, which hwnas_run works in and nobody else may touch
 * meanwhile. Between two runs its bytes may be used for other things. */
enum hwnas_result hwnas_init(void *arena, size_t arena_bytes);

/* Computes HWNAS_OUTPUT_BYTES of output of HWNAS_INPUT_BYTES of input, both in the order (height,
 * width, channels). */
enum hwnas_result hwnas_run(const void *input, void *output);

#ifdef __cplusplus
}
#endif

#endif
