/* All of board.h for boards with an STM32L5. The board defines PLL_M, PLL_N and PLL_R first. */
#ifndef HWNAS_STM32L5_BOARD_H
#define HWNAS_STM32L5_BOARD_H

#include "stm32l5.h"
#include "stm32l4_l5_start.h"

static void start_core(void) {
    start_power_control();
    /* More than 80 MHz needs voltage range 0; the chip starts in range 2. Who makes the core's voltage,
     * LDO or SMPS, is left as the chip starts. */
    PWR_CR1 &= ~PWR_CR1_VOS;
    while (PWR_SR2 & PWR_SR2_VOSF) {
    }
    set_wait_states(FLASH_ACR & ~FLASH_ACR_LATENCY);
    /* The cache may still be emptying itself after the reset. */
    while (ICACHE_SR & ICACHE_SR_BUSYF) {
    }
    ICACHE_CR |= ICACHE_CR_EN;
    run_from_pll();
}

#endif
