/* What all STM32 chips that hwnas knows have alike. The titles in quotes are sections of every family's
 * reference manual. The header of the chip's family defines what differs: FLASH_BASE, GPIO_BASE and RCC_BASE;
 * STM32_PORT_ENABLES, the register whose bits from 0 on are the clocks of the ports from A on;
 * STM32_POWER_RESETS, the flags of RCC_CSR that only the supply sets; and what else stm32_start.h uses of
 * RCC. */
#ifndef HWNAS_STM32_H
#define HWNAS_STM32_H

#include <stdbool.h>

#include "cortex_m.h"

/* "Memory map". */
#define PWR_BASE 0x40007000u

/* "Flash access control register (FLASH_ACR)"; bit 3 of LATENCY is not in all, and reads as zero there. */
#define FLASH_ACR REGISTER(FLASH_BASE + 0x00)
#define FLASH_ACR_LATENCY 0xFu

/* "Reset and clock control (RCC)". */
#define RCC_CR REGISTER(RCC_BASE + 0x00)   /* "Clock control register" */
#define RCC_CFGR REGISTER(RCC_BASE + 0x08) /* "Clock configuration register" */
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_CFGR_SW 0x3u
#define RCC_CFGR_SWS (0x3u << 2)
#define RCC_CSR_PINRSTF (1u << 26)
#define RCC_CSR_SFTRSTF (1u << 28)
#define RCC_CSR_IWDGRSTF (1u << 29)

/* "General-purpose I/Os (GPIO)"; `port` counts from A. */
#define GPIO_STEP 0x400u
#define GPIO_PORT(port) (GPIO_BASE + (port)*GPIO_STEP)
#define GPIO_MODER(port) REGISTER(GPIO_PORT(port) + 0x00)
#define GPIO_BSRR(port) REGISTER(GPIO_PORT(port) + 0x18)
#define GPIO_AFR(port, pin) REGISTER(GPIO_PORT(port) + 0x20 + (pin) / 8u * 4u)
#define GPIO_BSRR_RESET_SHIFT 16u
#define GPIO_MODE_OUTPUT 1u
#define GPIO_MODE_ALTERNATE 2u

/* Switches a peripheral's clock on, and waits the two cycles until it is there ("Clock enable
 * delay"). */
#define STM32_ENABLE(enable_register, bits) \
    do {                                    \
        (enable_register) |= (bits);        \
        (void)(enable_register);            \
    } while (0)

#define STM32_SET_MODE(port, pin, mode) \
    (GPIO_MODER(port) = (GPIO_MODER(port) & ~(3u << 2u * (pin))) | (mode) << 2u * (pin))

#define WRITE_PIN(port, pin, high) \
    (GPIO_BSRR(port) = 1u << ((pin) + ((high) ? 0u : GPIO_BSRR_RESET_SHIFT)))

/* Makes a pin a low output; its port's clock must be on. */
#define STM32_START_OUTPUT(port, pin)                  \
    do {                                               \
        WRITE_PIN(port, pin, false);                   \
        STM32_SET_MODE(port, pin, GPIO_MODE_OUTPUT);   \
    } while (0)

/* Hands a pin to a peripheral; its port's clock must be on. */
#define STM32_START_ALTERNATE(port, pin, function)                                  \
    do {                                                                            \
        const uint32_t shift = (pin) % 8u * 4u;                                     \
        GPIO_AFR(port, pin) = (GPIO_AFR(port, pin) & ~(0xFu << shift)) |            \
                              (uint32_t)(function) << shift;                        \
        STM32_SET_MODE(port, pin, GPIO_MODE_ALTERNATE);                             \
    } while (0)

/* "Independent watchdog (IWDG)": at one address in all of them. */
#define IWDG_BASE 0x40003000u
#define IWDG_KR REGISTER(IWDG_BASE + 0x00)
#define IWDG_PR REGISTER(IWDG_BASE + 0x04)
#define IWDG_RLR REGISTER(IWDG_BASE + 0x08)
#define IWDG_SR REGISTER(IWDG_BASE + 0x0C)
#define IWDG_KEY_START 0xCCCCu
#define IWDG_KEY_UNLOCK 0x5555u
#define IWDG_KEY_RELOAD 0xAAAAu
#define IWDG_PR_256 6u
#define IWDG_RLR_MOST 0xFFFu

static inline void stm32_feed_watchdog(void) {
    IWDG_KR = IWDG_KEY_RELOAD;
}

/* 256 * 4096 turns of the oscillator of about 32 kHz: a reset after 32 s without being fed. */
static inline void stm32_start_watchdog(void) {
    IWDG_KR = IWDG_KEY_START;
    IWDG_KR = IWDG_KEY_UNLOCK;
    IWDG_PR = IWDG_PR_256;
    IWDG_RLR = IWDG_RLR_MOST;
    while (IWDG_SR != 0) {
    }
    stm32_feed_watchdog();
}

#endif
