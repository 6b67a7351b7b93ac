/* Registers of the nRF52840 that the firmware needs, by the names of its Product Specification; the
 * chapter stands beside each. Addresses and bits are those of Nordic's nrf52840.svd, against which
 * tests/test_chip_nrf52.py holds them. */
#ifndef HWNAS_NRF52_H
#define HWNAS_NRF52_H

#include <stdbool.h>

#include "cortex_m.h"

/* "CLOCK - Clock control" */
#define CLOCK_BASE 0x40000000u
#define CLOCK_TASKS_HFCLKSTART REGISTER(CLOCK_BASE + 0x000)
#define CLOCK_EVENTS_HFCLKSTARTED REGISTER(CLOCK_BASE + 0x100)

/* "POWER - Power supply" */
#define POWER_BASE 0x40000000u
#define POWER_RESETREAS REGISTER(POWER_BASE + 0x400)
#define POWER_RESETREAS_RESETPIN (1u << 0)
#define POWER_RESETREAS_DOG (1u << 1)
#define POWER_RESETREAS_SREQ (1u << 2)

/* "NVMC - Non-volatile memory controller" */
#define NVMC_BASE 0x4001E000u
#define NVMC_ICACHECNF REGISTER(NVMC_BASE + 0x540)
#define NVMC_ICACHECNF_CACHEEN (1u << 0)

/* "GPIO - General purpose input/output"; `port` counts from P0. */
#define GPIO_BASE 0x50000000u
#define GPIO_STEP 0x300u
#define GPIO_PORT(port) (GPIO_BASE + (port)*GPIO_STEP)
#define GPIO_OUTSET(port) REGISTER(GPIO_PORT(port) + 0x508)
#define GPIO_OUTCLR(port) REGISTER(GPIO_PORT(port) + 0x50C)
#define GPIO_DIRSET(port) REGISTER(GPIO_PORT(port) + 0x518)
#define GPIO_PIN_CNF(port, pin) REGISTER(GPIO_PORT(port) + 0x700 + 4u * (pin))
/* Input, its buffer connected, no pull, standard drive. */
#define GPIO_PIN_CNF_INPUT 0u

/* "WDT - Watchdog timer" */
#define WDT_BASE 0x40010000u
#define WDT_TASKS_START REGISTER(WDT_BASE + 0x000)
#define WDT_CRV REGISTER(WDT_BASE + 0x504)
#define WDT_RREN REGISTER(WDT_BASE + 0x508)
#define WDT_RR0 REGISTER(WDT_BASE + 0x600)
#define WDT_RREN_RR0 (1u << 0)
#define WDT_RR_RELOAD 0x6E524635u
#define WDT_HZ 32768u

#define WRITE_PIN(port, pin, high)           \
    do {                                     \
        if (high) {                          \
            GPIO_OUTSET(port) = 1u << (pin); \
        } else {                             \
            GPIO_OUTCLR(port) = 1u << (pin); \
        }                                    \
    } while (0)

/* Makes a pin an output that starts at a level. */
#define NRF52_START_OUTPUT(port, pin, high) \
    do {                                    \
        WRITE_PIN(port, pin, high);         \
        GPIO_DIRSET(port) = 1u << (pin);    \
    } while (0)

static inline void nrf52_feed_watchdog(void) {
    WDT_RR0 = WDT_RR_RELOAD;
}

/* A reset after some seconds without being fed. Where a software reset left the watchdog running, its
 * settings are locked, to what they were set to here before, and feeding it is all that is needed. */
static inline void nrf52_start_watchdog(uint32_t seconds) {
    WDT_CRV = seconds * WDT_HZ - 1u;
    WDT_RREN = WDT_RREN_RR0;
    WDT_TASKS_START = 1;
    nrf52_feed_watchdog();
}

#endif
