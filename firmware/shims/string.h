/* For compilers that come without a C library. */
#ifndef HWNAS_SHIM_STRING_H
#define HWNAS_SHIM_STRING_H

#include <stddef.h>

void *memcpy(void *restrict destination, const void *restrict source, size_t size);
void *memset(void *destination, int value, size_t size);

#endif
