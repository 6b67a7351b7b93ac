/* What a Cortex-M7 has beyond the registers in cortex_m.h: caches, and a lock on its debug units. Offsets
 * and bits as in Arm's core_cm7.h. */
#ifndef HWNAS_CORTEX_M7_H
#define HWNAS_CORTEX_M7_H

#include "cortex_m.h"

#define SCB_CCR REGISTER(0xE000ED14)     /* Armv7-M manual, B3.2.8 */
#define SCB_CCSIDR REGISTER(0xE000ED80)  /* size of the cache that CSSELR selects */
#define SCB_CSSELR REGISTER(0xE000ED84)
#define SCB_ICIALLU REGISTER(0xE000EF50) /* a write invalidates the instruction cache */
#define SCB_DCISW REGISTER(0xE000EF60)   /* a write invalidates a line of the data cache, by set and way */
#define DWT_LAR REGISTER(0xE0001FB0)     /* lock access */

#define CCR_DC (1u << 16)
#define CCR_IC (1u << 17)
#define CSSELR_LEVEL1_DATA 0u
#define CCSIDR_LINE_SHIFT(size) (((size)&7u) + 4u)
#define CCSIDR_LAST_WAY(size) ((size) >> 3 & 0x3FFu)
#define CCSIDR_LAST_SET(size) ((size) >> 13 & 0x7FFFu)
#define LAR_KEY 0xC5ACCE55u

/* Switches both caches on. What they hold after a reset is not known, hence each is invalidated first.
 * Nothing is lost by that: while they were off, all went to the memories themselves. */
static inline void core_start_caches(void) {
    core_barrier();
    SCB_ICIALLU = 0;
    core_barrier();
    SCB_CCR |= CCR_IC;
    core_barrier();

    SCB_CSSELR = CSSELR_LEVEL1_DATA;
    core_barrier();
    const uint32_t size = SCB_CCSIDR;
    const uint32_t set_shift = CCSIDR_LINE_SHIFT(size);
    /* The way stands in the topmost bits. */
    const uint32_t way_shift = (uint32_t)__builtin_clz(CCSIDR_LAST_WAY(size));
    for (uint32_t set = 0; set <= CCSIDR_LAST_SET(size); set++) {
        for (uint32_t way = 0; way <= CCSIDR_LAST_WAY(size); way++) {
            SCB_DCISW = way << way_shift | set << set_shift;
        }
    }
    core_barrier();
    SCB_CCR |= CCR_DC;
    core_barrier();
}

/* Until then, the cycle counter takes no setting from code. TRCENA first: without it the unit is not
 * there. */
static inline void core_unlock_cycle_counter(void) {
    DCB_DEMCR |= DEMCR_TRCENA;
    DWT_LAR = LAR_KEY;
    core_barrier();
}

#endif
