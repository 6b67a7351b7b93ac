/* For compilers that come without a C library. */
#ifndef HWNAS_SHIM_STRING_H
#define HWNAS_SHIM_STRING_H

#include <stddef.h>

void *memcpy(void *restrict destination, const void *restrict source, size_t size);
void *memset(void *destination, int value, size_t size);

/* Zig compiles for no operating system without built-ins, and then CMSIS-NN's reads of four values,
 * which are copies, would be calls. */
#ifndef HWNAS_SHIM_MEMORY
#define memcpy(destination, source, size) __builtin_memcpy(destination, source, size)
#define memset(destination, value, size) __builtin_memset(destination, value, size)
#endif

#endif
