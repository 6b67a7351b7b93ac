/* Registers of the STM32L552 that the firmware needs, with TrustZone off, beside those in stm32l4_l5.h. The
 * titles in quotes are those of the registers in its reference manual, RM0438; addresses and bits were read
 * in ST's header stm32l552xx.h. */
#ifndef HWNAS_STM32L5_H
#define HWNAS_STM32L5_H

#include "stm32l4_l5.h"

#define ICACHE_BASE 0x40030400u
#define GPIO_BASE 0x42020000u

/* "ICACHE control register (ICACHE_CR)", "ICACHE status register (ICACHE_SR)". */
#define ICACHE_CR REGISTER(ICACHE_BASE + 0x00)
#define ICACHE_SR REGISTER(ICACHE_BASE + 0x04)
#define ICACHE_CR_EN (1u << 0)
#define ICACHE_SR_BUSYF (1u << 0)

/* "Power control register 1 (PWR_CR1)", "Power status register 2 (PWR_SR2)". */
#define PWR_CR1 REGISTER(PWR_BASE + 0x00)
#define PWR_SR2 REGISTER(PWR_BASE + 0x14)
#define PWR_CR1_VOS (3u << 9) /* the number of the voltage range */
#define PWR_SR2_VOSF (1u << 10)

#endif
