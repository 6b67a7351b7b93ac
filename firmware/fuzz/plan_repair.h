/* Makes plans that may run of plans that were mutated blindly. Nothing here is tested by fuzzing:
 * what it makes goes through plan_check like anything else. */
#ifndef HWNAS_FUZZ_PLAN_REPAIR_H
#define HWNAS_FUZZ_PLAN_REPAIR_H

#include <stddef.h>
#include <stdint.h>

/* Gives one field of a random record another value. `bytes` holds a header at least. */
void plan_change_field(uint8_t *bytes, size_t size, uint32_t *noise);

/* Lets header, shapes, sizes and offsets follow from the operators and windows of the steps.
 * Returns the plan's size, which is `size` or less. */
size_t plan_repair(uint8_t *bytes, size_t size, uint32_t *noise);

#endif
