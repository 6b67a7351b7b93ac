/* All of board.h for boards with an STM32L4 or L4+. The board defines PLL_M, PLL_N and PLL_R first. */
#ifndef HWNAS_STM32L4_BOARD_H
#define HWNAS_STM32L4_BOARD_H

#include "stm32l4.h"
#include "stm32l4_l5_start.h"

static void start_core(void) {
    start_power_control();
    /* More than 80 MHz needs the boost mode of voltage range 1, which only the L4+ has. */
    if (FASTER_THAN_80_MHZ) {
        PWR_CR5 &= ~PWR_CR5_R1MODE;
    }
    /* The chip starts in voltage range 1 with both caches on. */
    set_wait_states(FLASH_ACR_ICEN | FLASH_ACR_DCEN);
    run_from_pll();
}

#endif
