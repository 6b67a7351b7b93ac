/* All of board.h for boards with an STM32F446 or STM32F469, at 180 MHz. The board defines SERIAL_ENABLE
 * first: the bit of its USART in RCC_APB1ENR. */
#ifndef HWNAS_STM32F4_BOARD_H
#define HWNAS_STM32F4_BOARD_H

#include "stm32_usart.h"
#include "stm32f4.h"

/* HSI / 8 * 180 / 2. The VCO runs at 360 MHz from 2 MHz: ST's headers allow 192 to 432 MHz from 0.95 to
 * 2.1 MHz. Outputs Q and R feed nothing here; 0 and 1 would be wrong settings. HSI needs no part of the
 * board, unlike HSE, which hangs on solder bridges of the Nucleo; being trimmed within about 1 %, it
 * bears the serial line. */
#define PLL_SOURCE RCC_PLLCFGR_SRC_HSI
#define PLL_SOURCE_HZ 16000000u
#define PLL_M 8u
#define PLL_N 180u
#define PLL_P 2u
#define PLL_Q 8u
#define PLL_R 2u
#define MOST_APB1_HZ 45000000u

#include "stm32f4_f7_start.h"

static void start_core(void) {
    start_oscillator(RCC_CR_HSION, RCC_CR_HSIRDY);
    /* Both caches and the prefetch are off after a reset; the published measurements had all three on
     * (PREFETCH_ENABLE and its neighbours in mbed's stm32f4xx_hal_conf.h). More than 168 MHz needs
     * over-drive. */
    run_from_pll(FLASH_ACR_PRFTEN | FLASH_ACR_ICEN | FLASH_ACR_DCEN);
}

#endif
