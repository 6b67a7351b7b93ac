/* Mutates inputs of fuzz_protocol.c record by record, so that the sizes between stay right. */
#ifndef HWNAS_FUZZ_RECORD_MUTATE_H
#define HWNAS_FUZZ_RECORD_MUTATE_H

#include <stddef.h>
#include <stdint.h>

#define RECORD_HEAD_BYTES 3u /* u8 kind, u16 size */

enum record_kind { RECORD_RAW, RECORD_FRAME, RECORD_FRAME_TWICE, RECORD_PLAN, RECORD_KINDS };

/* Changes, repeats, drops or moves one of the records in `data`; the new size, `most` at most. */
size_t record_mutate(uint8_t *data, size_t size, size_t most, uint32_t *noise);

#endif
