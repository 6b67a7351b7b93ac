/* What the boards with an STM32L4 or L4+ do alike when they start: HSI16 through the PLL, LPUART1, markers,
 * the cause of the reset. The board defines PLL_M, PLL_N and PLL_R first. */
#ifndef HWNAS_STM32L4_START_H
#define HWNAS_STM32L4_START_H

#include "board.h"
#include "board_facts.h"
#include "stm32_uart.h"
#include "stm32l4.h"

_Static_assert(16000000u / PLL_M * PLL_N / PLL_R == HWNAS_CLOCK_HZ, "clock");

/* More than that needs the boost mode of voltage range 1, which only the L4+ has. */
#define NORMAL_MODE_HZ 80000000u
#define BOOST (HWNAS_CLOCK_HZ > NORMAL_MODE_HZ)
#define MICROSECOND (HWNAS_CLOCK_HZ / 2u / 1000000u)

static void stm32l4_start_clock(void) {
    if (BOOST) {
        STM32_ENABLE(RCC_APB1ENR1, RCC_APB1ENR1_PWREN);
        PWR_CR5 &= ~PWR_CR5_R1MODE;
    }
    /* Wait states come before the faster clock (RM0351, "Read access latency"). The chip starts in voltage
     * range 1 with both caches on. */
    FLASH_ACR = FLASH_ACR_ICEN | FLASH_ACR_DCEN | HWNAS_FLASH_WAIT_STATES;
    while ((FLASH_ACR & FLASH_ACR_LATENCY) != HWNAS_FLASH_WAIT_STATES) {
    }
    RCC_CR |= RCC_CR_HSION;
    while (!(RCC_CR & RCC_CR_HSIRDY)) {
    }
    RCC_PLLCFGR = RCC_PLLCFGR_SRC_HSI16 | RCC_PLLCFGR_M(PLL_M) | RCC_PLLCFGR_N(PLL_N) |
                  RCC_PLLCFGR_R(PLL_R) | RCC_PLLCFGR_REN;
    RCC_CR |= RCC_CR_PLLON;
    while (!(RCC_CR & RCC_CR_PLLRDY)) {
    }
    /* Up to the boosted clock in two steps, else the core's voltage would undershoot: at half of it for
     * a microsecond first (HAL_RCC_ClockConfig in ST's stm32l4xx_hal_rcc.c). */
    if (BOOST) {
        RCC_CFGR = (RCC_CFGR & ~RCC_CFGR_HPRE) | RCC_CFGR_HPRE_2;
    }
    RCC_CFGR = (RCC_CFGR & ~RCC_CFGR_SW) | RCC_CFGR_SW_PLL;
    while ((RCC_CFGR & RCC_CFGR_SWS) != RCC_CFGR_SWS_PLL) {
    }
    if (BOOST) {
        for (uint32_t reads = 0; reads < MICROSECOND; reads++) {
            (void)RCC_CFGR; /* a cycle at least */
        }
        RCC_CFGR &= ~RCC_CFGR_HPRE;
    }
}

static void stm32l4_start_markers(void) {
    STM32_ENABLE(RCC_AHB2ENR, 1u << HWNAS_MARKER_INFERENCE_PORT | 1u << HWNAS_MARKER_LAYER_PORT |
                                  1u << HWNAS_MARKER_SPARE_PORT);
    STM32_START_OUTPUT(HWNAS_MARKER_INFERENCE_PORT, HWNAS_MARKER_INFERENCE_PIN);
    STM32_START_OUTPUT(HWNAS_MARKER_LAYER_PORT, HWNAS_MARKER_LAYER_PIN);
    STM32_START_OUTPUT(HWNAS_MARKER_SPARE_PORT, HWNAS_MARKER_SPARE_PIN);
}

static void stm32l4_start_serial(void) {
    /* PG2 to PG15 have a supply of their own, which must be declared valid (RM0351, "Independent I/O supply rail"). */
    STM32_ENABLE(RCC_APB1ENR1, RCC_APB1ENR1_PWREN);
    PWR_CR2 |= PWR_CR2_IOSV;
    STM32_ENABLE(RCC_AHB2ENR, 1u << HWNAS_TX_PORT | 1u << HWNAS_RX_PORT);
    STM32_START_ALTERNATE(HWNAS_TX_PORT, HWNAS_TX_PIN, HWNAS_TX_FUNCTION);
    STM32_START_ALTERNATE(HWNAS_RX_PORT, HWNAS_RX_PIN, HWNAS_RX_FUNCTION);
    STM32_ENABLE(RCC_APB1ENR2, RCC_APB1ENR2_LPUART1EN);
    /* RM0351, "LPUART baud rate generation"; rounded to the nearest divider. */
    uart_start((uint32_t)((256ull * HWNAS_CLOCK_HZ + HWNAS_BAUD / 2u) / HWNAS_BAUD));
}

static uint32_t stm32l4_take_reset_cause(void) {
    const uint32_t flags = RCC_CSR;
    RCC_CSR |= RCC_CSR_RMVF;
    /* The pin is pulled down in every kind of reset, so its flag tells nothing beside another. */
    if (flags & RCC_CSR_IWDGRSTF) {
        return RESET_WATCHDOG;
    }
    if (flags & RCC_CSR_SFTRSTF) {
        return RESET_SOFTWARE;
    }
    return flags & (RCC_CSR_BORRSTF | RCC_CSR_PINRSTF) ? RESET_POWER_OR_PIN : 0;
}

uint32_t board_start(void) {
    stm32l4_start_clock();
    stm32l4_start_markers();
    stm32l4_start_serial();
    stm32_start_watchdog();
    return stm32l4_take_reset_cause();
}

void board_feed_watchdog(void) {
    stm32_feed_watchdog();
}

#endif
