/* Start-up code as vendors ship it: the FPU, initialised variables, then the C library's start. */
#include <stdint.h>

extern uint32_t data_start[], data_end[], data_source[], bss_start[], bss_end[], __stack[];
int main(void);
#ifdef LIBRARY
void _start(void);
#endif

__attribute__((noreturn)) void Reset_Handler(void) {
    *(volatile uint32_t *)0xE000ED88 |= 0xF << 20;
    __asm volatile("dsb\n isb");
    const uint32_t *from = data_source;
    for (uint32_t *to = data_start; to < data_end;) {
        *to++ = *from++;
    }
#ifdef LIBRARY
    _start();
#else
    for (uint32_t *to = bss_start; to < bss_end;) {
        *to++ = 0;
    }
    main();
#endif
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {__stack, Reset_Handler};
