/* All of board.h for boards with an STM32F76x or F77x that are fed their clock, into HSE. The board defines
 * PLL_M to PLL_R first, and SERIAL_ENABLE: the bit of its USART in RCC_APB1ENR. */
#ifndef HWNAS_STM32F7_BOARD_H
#define HWNAS_STM32F7_BOARD_H

#include "cortex_m7.h"
#include "stm32_uart.h"
#include "stm32f7.h"

#define PLL_SOURCE RCC_PLLCFGR_SRC_HSE
#define PLL_SOURCE_HZ HWNAS_EXTERNAL_CLOCK_HZ
#define MOST_APB1_HZ 54000000u

#include "stm32f4_f7_start.h"

static void start_core(void) {
    /* The bypass can be chosen only while HSE is off. */
    RCC_CR |= RCC_CR_HSEBYP;
    start_oscillator(RCC_CR_HSEON, RCC_CR_HSERDY);
    /* The ART accelerator stays off: it serves the flash's ITCM side, and the image is linked to the AXI
     * side, behind the caches. More than 180 MHz needs over-drive. */
    run_from_pll(0);
    core_start_caches();
    core_unlock_cycle_counter();
}

#endif
