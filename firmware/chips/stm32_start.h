/* board_start() for boards with an STM32. The header of the chip's family includes this one after those of
 * its registers and of its UART, and defines the two steps that differ. */
#ifndef HWNAS_STM32_START_H
#define HWNAS_STM32_START_H

#include "board.h"
#include "board_facts.h"
#include "stm32.h"

/* Voltages, flash, caches, and the clock that the board's file names. */
static void start_core(void);

/* The UART, to which its pins already belong. */
static void start_serial(void);

/* What BRR takes where it counts clocks for each bit; rounded to the nearest. */
#define UART_DIVIDER(clock_hz) ((uint32_t)(((clock_hz) + HWNAS_BAUD / 2u) / HWNAS_BAUD))

/* An oscillator or a PLL, by its bits in RCC_CR. */
static void start_oscillator(uint32_t on, uint32_t ready) {
    RCC_CR |= on;
    while (!(RCC_CR & ready)) {
    }
}

/* Wait states must be there before the faster clock (RM0351, "Read access latency"); `others` are further
 * bits of FLASH_ACR. */
static void set_wait_states(uint32_t others) {
    FLASH_ACR = others | HWNAS_FLASH_WAIT_STATES;
    while ((FLASH_ACR & FLASH_ACR_LATENCY) != HWNAS_FLASH_WAIT_STATES) {
    }
}

static void switch_to_pll(void) {
    RCC_CFGR = (RCC_CFGR & ~RCC_CFGR_SW) | RCC_CFGR_SW_PLL;
    while ((RCC_CFGR & RCC_CFGR_SWS) != RCC_CFGR_SWS_PLL) {
    }
}

static void start_pins(void) {
    STM32_ENABLE(STM32_PORT_ENABLES, 1u << HWNAS_MARKER_INFERENCE_PORT | 1u << HWNAS_MARKER_LAYER_PORT |
                                         1u << HWNAS_MARKER_SPARE_PORT | 1u << HWNAS_TX_PORT |
                                         1u << HWNAS_RX_PORT);
    STM32_START_OUTPUT(HWNAS_MARKER_INFERENCE_PORT, HWNAS_MARKER_INFERENCE_PIN);
    STM32_START_OUTPUT(HWNAS_MARKER_LAYER_PORT, HWNAS_MARKER_LAYER_PIN);
    STM32_START_OUTPUT(HWNAS_MARKER_SPARE_PORT, HWNAS_MARKER_SPARE_PIN);
    STM32_START_ALTERNATE(HWNAS_TX_PORT, HWNAS_TX_PIN, HWNAS_TX_FUNCTION);
    STM32_START_ALTERNATE(HWNAS_RX_PORT, HWNAS_RX_PIN, HWNAS_RX_FUNCTION);
}

static uint32_t take_reset_cause(void) {
    const uint32_t flags = RCC_CSR;
    RCC_CSR |= RCC_CSR_RMVF;
    /* The pin is pulled down in every kind of reset, so its flag tells nothing beside another. */
    if (flags & RCC_CSR_IWDGRSTF) {
        return RESET_WATCHDOG;
    }
    if (flags & RCC_CSR_SFTRSTF) {
        return RESET_SOFTWARE;
    }
    return flags & (STM32_POWER_RESETS | RCC_CSR_PINRSTF) ? RESET_POWER_OR_PIN : 0;
}

uint32_t board_start(void) {
    start_core();
    start_pins();
    start_serial();
    stm32_start_watchdog();
    return take_reset_cause();
}

void board_feed_watchdog(void) {
    stm32_feed_watchdog();
}

#endif
