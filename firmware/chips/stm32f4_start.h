/* What the boards with an STM32F446 or STM32F469 do alike when they start: 180 MHz, pins, and the cause
 * of the reset. */
#ifndef HWNAS_STM32F4_START_H
#define HWNAS_STM32F4_START_H

#include "board.h"
#include "board_facts.h"
#include "stm32f4.h"

/* HSI / 8 * 180 / 2. The VCO runs at 360 MHz from 2 MHz: ST's headers allow 192 to 432 MHz from 0.95 to
 * 2.1 MHz. Outputs Q and R feed nothing here; 0 and 1 would be wrong settings. HSI needs no part of the
 * board, unlike HSE, which hangs on solder bridges of the Nucleo; being trimmed within about 1 %, it
 * bears the serial line. */
#define PLL_M 8u
#define PLL_N 180u
#define PLL_P 2u
#define PLL_Q 8u
#define PLL_R 2u
#define APB1_DIVIDER 4u
_Static_assert(16000000u / PLL_M * PLL_N / PLL_P == HWNAS_CLOCK_HZ, "clock");
/* The most that APB1 may run at; APB2 runs at half the core's clock, which is its limit, too. */
_Static_assert(HWNAS_CLOCK_HZ / APB1_DIVIDER <= 45000000u, "APB1");

/* In the order of "Entering Over-drive mode" (chapter "Power controller"): more than 168 MHz needs
 * voltage scale 1 and over-drive, which is entered while the core still runs from HSI. Peripherals are
 * switched on only afterwards. */
static void stm32f4_start_clock(void) {
    RCC_CR |= RCC_CR_HSION;
    while (!(RCC_CR & RCC_CR_HSIRDY)) {
    }
    STM32_ENABLE(RCC_APB1ENR, RCC_APB1ENR_PWREN);
    PWR_CR = (PWR_CR & ~PWR_CR_VOS) | PWR_CR_VOS_SCALE1;
    RCC_PLLCFGR = RCC_PLLCFGR_SRC_HSI | RCC_PLLCFGR_M(PLL_M) | RCC_PLLCFGR_N(PLL_N) |
                  RCC_PLLCFGR_P(PLL_P) | RCC_PLLCFGR_Q(PLL_Q) | RCC_PLLCFGR_R(PLL_R);
    RCC_CR |= RCC_CR_PLLON;
    while (!(RCC_CR & RCC_CR_PLLRDY)) {
    }
    while (!(PWR_CSR & PWR_CSR_VOSRDY)) {
    }
    PWR_CR |= PWR_CR_ODEN;
    while (!(PWR_CSR & PWR_CSR_ODRDY)) {
    }
    PWR_CR |= PWR_CR_ODSWEN;
    while (!(PWR_CSR & PWR_CSR_ODSWRDY)) {
    }
    /* Wait states come before the faster clock. Both caches and the prefetch are off after a reset; the
     * published measurements had all three on (PREFETCH_ENABLE and its neighbours in mbed's
     * stm32f4xx_hal_conf.h). */
    FLASH_ACR = FLASH_ACR_PRFTEN | FLASH_ACR_ICEN | FLASH_ACR_DCEN | HWNAS_FLASH_WAIT_STATES;
    while ((FLASH_ACR & FLASH_ACR_LATENCY) != HWNAS_FLASH_WAIT_STATES) {
    }
    RCC_CFGR = (RCC_CFGR & ~(RCC_CFGR_PPRE1 | RCC_CFGR_PPRE2)) | RCC_CFGR_PPRE1_4 | RCC_CFGR_PPRE2_2;
    RCC_CFGR = (RCC_CFGR & ~RCC_CFGR_SW) | RCC_CFGR_SW_PLL;
    while ((RCC_CFGR & RCC_CFGR_SWS) != RCC_CFGR_SWS_PLL) {
    }
}

static void stm32f4_start_pins(void) {
    STM32_ENABLE(RCC_AHB1ENR, 1u << HWNAS_MARKER_INFERENCE_PORT | 1u << HWNAS_MARKER_LAYER_PORT |
                                  1u << HWNAS_MARKER_SPARE_PORT | 1u << HWNAS_TX_PORT |
                                  1u << HWNAS_RX_PORT);
    STM32_START_OUTPUT(HWNAS_MARKER_INFERENCE_PORT, HWNAS_MARKER_INFERENCE_PIN);
    STM32_START_OUTPUT(HWNAS_MARKER_LAYER_PORT, HWNAS_MARKER_LAYER_PIN);
    STM32_START_OUTPUT(HWNAS_MARKER_SPARE_PORT, HWNAS_MARKER_SPARE_PIN);
    STM32_START_ALTERNATE(HWNAS_TX_PORT, HWNAS_TX_PIN, HWNAS_TX_FUNCTION);
    STM32_START_ALTERNATE(HWNAS_RX_PORT, HWNAS_RX_PIN, HWNAS_RX_FUNCTION);
}

static uint32_t stm32f4_take_reset_cause(void) {
    const uint32_t flags = RCC_CSR;
    RCC_CSR |= RCC_CSR_RMVF;
    /* The pin is pulled down in every kind of reset, so its flag tells nothing beside another. */
    if (flags & RCC_CSR_IWDGRSTF) {
        return RESET_WATCHDOG;
    }
    if (flags & RCC_CSR_SFTRSTF) {
        return RESET_SOFTWARE;
    }
    return flags & (RCC_CSR_PORRSTF | RCC_CSR_BORRSTF | RCC_CSR_PINRSTF) ? RESET_POWER_OR_PIN : 0;
}

#endif
