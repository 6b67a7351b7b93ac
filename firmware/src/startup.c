/* Vector table and reset: the Armv7-M manual, sections B1.5.3 and B1.5.5. */
#include <stdint.h>
#include <string.h>

#include "cortex_m.h"

/* From the linker script. */
extern uint8_t stack_end[];
extern uint8_t data_start[], data_end[], data_source[];
extern uint8_t bss_start[], bss_end[];

int main(void);

static _Noreturn void start(void) {
#ifdef __ARM_FP
    SCB_CPACR |= CPACR_FPU;
#endif
    core_barrier();
    memcpy(data_start, data_source, (size_t)(data_end - data_start));
    memset(bss_start, 0, (size_t)(bss_end - bss_start));
    main();
    core_reset();
}

/* No plan can cause a fault and no interrupt is on, so whatever ends here is a defect. A reset
 * tells the host, whose request then has no answer but a banner. */
static _Noreturn void fault(void) {
    core_reset();
}

typedef void (*vector)(void);

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    (vector)stack_end, start, fault, fault, fault, fault, fault, 0,
    0,                 0,     0,     fault, fault, 0,     fault, fault,
};
