/* The cycle counter, DWT->CYCCNT, carried to 64 bits. */
#ifndef HWNAS_TIMER_H
#define HWNAS_TIMER_H

#include <stdbool.h>
#include <stdint.h>

/* Switches the counter on. Returns whether it counts: in QEMU it stands still. */
bool timer_start(void);

/* Core cycles since the start. Must be called once in 2^32 cycles at least, else a turn of the
 * counter is lost. */
uint64_t timer_cycles(void);

#endif
