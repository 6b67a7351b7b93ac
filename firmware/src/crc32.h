/* CRC-32 as zlib computes it. */
#ifndef HWNAS_CRC32_H
#define HWNAS_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32(const void *data, size_t size);

#endif
