/* What STM32L4, L4+ and L5 do alike when they start: HSI16 through the PLL, and LPUART1. The board defines
 * PLL_M, PLL_N and PLL_R first. */
#ifndef HWNAS_STM32L4_L5_START_H
#define HWNAS_STM32L4_L5_START_H

#include "stm32_start.h"
#include "stm32_uart.h"

_Static_assert(16000000u / PLL_M * PLL_N / PLL_R == HWNAS_CLOCK_HZ, "clock");

#define FASTER_THAN_80_MHZ (HWNAS_CLOCK_HZ > 80000000u)
#define MICROSECOND (HWNAS_CLOCK_HZ / 2u / 1000000u)

static void start_power_control(void) {
    STM32_ENABLE(RCC_APB1ENR1, RCC_APB1ENR1_PWREN);
    /* PG2 to PG15 have a supply of their own, VDDIO2, which must be declared valid (RM0351, "Independent
     * I/O supply rail"). */
    PWR_CR2 |= PWR_CR2_IOSV;
}

static void run_from_pll(void) {
    start_oscillator(RCC_CR_HSION, RCC_CR_HSIRDY);
    RCC_PLLCFGR = RCC_PLLCFGR_SRC_HSI16 | RCC_PLLCFGR_M(PLL_M) | RCC_PLLCFGR_N(PLL_N) |
                  RCC_PLLCFGR_R(PLL_R) | RCC_PLLCFGR_REN;
    start_oscillator(RCC_CR_PLLON, RCC_CR_PLLRDY);
    /* Beyond 80 MHz in two steps, else the core's voltage would undershoot: at half the clock for a
     * microsecond first (HAL_RCC_ClockConfig in ST's stm32l4xx_hal_rcc.c and stm32l5xx_hal_rcc.c). */
    if (FASTER_THAN_80_MHZ) {
        RCC_CFGR = (RCC_CFGR & ~RCC_CFGR_HPRE) | RCC_CFGR_HPRE_2;
    }
    switch_to_pll();
    if (FASTER_THAN_80_MHZ) {
        for (uint32_t reads = 0; reads < MICROSECOND; reads++) {
            (void)RCC_CFGR; /* a cycle at least */
        }
        RCC_CFGR &= ~RCC_CFGR_HPRE;
    }
}

static void start_serial(void) {
    STM32_ENABLE(RCC_APB1ENR2, RCC_APB1ENR2_LPUART1EN);
    /* BRR counts 256ths of a clock (RM0351, "LPUART baud rate generation"). */
    uart_start(UART_DIVIDER(256ull * HWNAS_CLOCK_HZ));
}

#endif
