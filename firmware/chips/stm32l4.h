/* Registers of the STM32L4 and L4+ that the firmware needs, beside those in stm32l4_l5.h, from their
 * reference manuals (RM0351 and RM0432); the section's title stands beside each. */
#ifndef HWNAS_STM32L4_H
#define HWNAS_STM32L4_H

#include "stm32l4_l5.h"

/* "Memory map and register boundary addresses". */
#define GPIO_BASE 0x48000000u

/* "Flash access control register (FLASH_ACR)". */
#define FLASH_ACR_ICEN (1u << 9)
#define FLASH_ACR_DCEN (1u << 10)

/* "Power control register 5 (PWR_CR5)", in the L4+ only; read in ST's header stm32l4r5xx.h. */
#define PWR_CR5 REGISTER(PWR_BASE + 0x80)
#define PWR_CR5_R1MODE (1u << 8) /* 1 after a reset: the boost mode is off */

#endif
