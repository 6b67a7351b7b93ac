/* Consistent overhead byte stuffing: frames without zero bytes (Cheshire and Baker, 1999). */
#ifndef HWNAS_COBS_H
#define HWNAS_COBS_H

#include <stddef.h>
#include <stdint.h>

/* Decodes in place. Returns the decoded size, or -1 where the coding is wrong. */
int32_t cobs_decode(uint8_t *data, size_t size);

/* Sends `size` bytes coded, without a delimiter. */
void cobs_send(const uint8_t *data, size_t size, void (*send)(uint8_t));

#endif
