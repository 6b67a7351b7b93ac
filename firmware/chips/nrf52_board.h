/* All of board.h for boards with an nRF52840: 64 MHz from the 32 MHz crystal, and UART0. */
#ifndef HWNAS_NRF52_BOARD_H
#define HWNAS_NRF52_BOARD_H

#include "board.h"
#include "board_facts.h"
#include "nrf52.h"
#include "nrf52_uart.h"

#define WATCHDOG_SECONDS 32u

_Static_assert(HWNAS_CLOCK_HZ == 64000000u, "the core knows no other clock");
_Static_assert(HWNAS_BAUD == 1000000u, "one of the UART's few rates, and exact");

static void start_clock(void) {
    /* The core runs at 64 MHz from the start, from an RC oscillator; the crystal makes them exact. */
    CLOCK_EVENTS_HFCLKSTARTED = 0;
    CLOCK_TASKS_HFCLKSTART = 1;
    while (!CLOCK_EVENTS_HFCLKSTARTED) {
    }
    NVMC_ICACHECNF = NVMC_ICACHECNF_CACHEEN;
}

static void start_markers(void) {
    NRF52_START_OUTPUT(HWNAS_MARKER_INFERENCE_PORT, HWNAS_MARKER_INFERENCE_PIN, false);
    NRF52_START_OUTPUT(HWNAS_MARKER_LAYER_PORT, HWNAS_MARKER_LAYER_PIN, false);
    NRF52_START_OUTPUT(HWNAS_MARKER_SPARE_PORT, HWNAS_MARKER_SPARE_PIN, false);
}

static uint32_t take_reset_cause(void) {
    /* Flags add up until they are cleared, by writing ones. */
    const uint32_t flags = POWER_RESETREAS;
    POWER_RESETREAS = flags;
    /* A pin reset may set others as well (nRF52840 anomaly 136); power-on and brown-out set none. */
    if (flags == 0 || flags & POWER_RESETREAS_RESETPIN) {
        return RESET_POWER_OR_PIN;
    }
    if (flags & POWER_RESETREAS_DOG) {
        return RESET_WATCHDOG;
    }
    return flags & POWER_RESETREAS_SREQ ? RESET_SOFTWARE : 0;
}

uint32_t board_start(void) {
    start_clock();
    start_markers();
    uart_start(UART_BAUDRATE_1M);
    nrf52_start_watchdog(WATCHDOG_SECONDS);
    return take_reset_cause();
}

void board_feed_watchdog(void) {
    nrf52_feed_watchdog();
}

#endif
