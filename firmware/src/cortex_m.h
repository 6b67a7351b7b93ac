/* Core registers that the firmware needs, from the Armv7-M Architecture Reference Manual
 * (DDI 0403E); the section stands beside each. */
#ifndef HWNAS_CORTEX_M_H
#define HWNAS_CORTEX_M_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define SCB_AIRCR REGISTER(0xE000ED0C)  /* B3.2.6 */
#define SCB_CPACR REGISTER(0xE000ED88)  /* B3.2.20 */
#define DCB_DEMCR REGISTER(0xE000EDFC)  /* C1.6.5 */
#define DWT_CTRL REGISTER(0xE0001000)   /* C1.8.7 */
#define DWT_CYCCNT REGISTER(0xE0001004) /* C1.8.8 */

#define AIRCR_KEY (0x05FAu << 16)
#define AIRCR_SYSRESETREQ (1u << 2)
#define CPACR_FPU (0xFu << 20)
#define DEMCR_TRCENA (1u << 24)
#define DWT_CTRL_CYCCNTENA (1u << 0)

static inline void core_barrier(void) {
    __asm volatile("dsb\n\tisb" ::: "memory");
}

static inline _Noreturn void core_reset(void) {
    core_barrier();
    SCB_AIRCR = AIRCR_KEY | AIRCR_SYSRESETREQ;
    core_barrier();
    for (;;) {
    }
}

#endif
