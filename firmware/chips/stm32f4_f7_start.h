/* What STM32F4 and STM32F7 do alike when they start: the PLL with over-drive, and a USART that runs from
 * APB1. The header of the family defines PLL_SOURCE, PLL_SOURCE_HZ and MOST_APB1_HZ first; PLL_M to PLL_R
 * and SERIAL_ENABLE, the USART's bit in RCC_APB1ENR, come from it or from the board. */
#ifndef HWNAS_STM32F4_F7_START_H
#define HWNAS_STM32F4_F7_START_H

#include "stm32_start.h"

#define APB1_DIVIDER 4u
#define APB1_HZ (HWNAS_CLOCK_HZ / APB1_DIVIDER)
_Static_assert(PLL_SOURCE_HZ / PLL_M * PLL_N / PLL_P == HWNAS_CLOCK_HZ, "clock");
/* APB2 runs at half the core's clock, which is its limit, too. */
_Static_assert(APB1_HZ <= MOST_APB1_HZ, "APB1");

/* In the order of "Entering Over-drive mode" (chapter "Power controller"; HAL_PWREx_EnableOverDrive in ST's
 * stm32f7xx_hal_pwr_ex.c does the same): the highest clocks need voltage scale 1 and over-drive, which is
 * entered while the core still runs from HSI. Peripherals are switched on only afterwards. */
static void run_from_pll(uint32_t flash_settings) {
    STM32_ENABLE(RCC_APB1ENR, RCC_APB1ENR_PWREN);
    PWR_CR = (PWR_CR & ~PWR_CR_VOS) | PWR_CR_VOS_SCALE1;
    RCC_PLLCFGR = PLL_SOURCE | RCC_PLLCFGR_M(PLL_M) | RCC_PLLCFGR_N(PLL_N) | RCC_PLLCFGR_P(PLL_P) |
                  RCC_PLLCFGR_Q(PLL_Q) | RCC_PLLCFGR_R(PLL_R);
    start_oscillator(RCC_CR_PLLON, RCC_CR_PLLRDY);
    while (!(PWR_CSR & PWR_CSR_VOSRDY)) {
    }
    PWR_CR |= PWR_CR_ODEN;
    while (!(PWR_CSR & PWR_CSR_ODRDY)) {
    }
    PWR_CR |= PWR_CR_ODSWEN;
    while (!(PWR_CSR & PWR_CSR_ODSWRDY)) {
    }
    set_wait_states(flash_settings);
    RCC_CFGR = (RCC_CFGR & ~(RCC_CFGR_PPRE1 | RCC_CFGR_PPRE2)) | RCC_CFGR_PPRE1_4 | RCC_CFGR_PPRE2_2;
    switch_to_pll();
}

static void start_serial(void) {
    STM32_ENABLE(RCC_APB1ENR, SERIAL_ENABLE);
    /* After a reset the USARTs of the STM32F7 run from APB1, too. With 16-fold oversampling BRR holds
     * clock / baud. */
    uart_start(UART_DIVIDER(APB1_HZ));
}

#endif
