/* Registers of the STM32L552 that the firmware needs, with TrustZone off. The titles in quotes are those of
 * the registers in its reference manual, RM0438; addresses and bits were read in ST's header
 * stm32l552xx.h. */
#ifndef HWNAS_STM32L5_H
#define HWNAS_STM32L5_H

#include "stm32.h"

#define PWR_BASE 0x40007000u
#define RCC_BASE 0x40021000u
#define FLASH_BASE 0x40022000u
#define ICACHE_BASE 0x40030400u
#define GPIO_BASE 0x42020000u

/* "Flash access control register (FLASH_ACR)". */
#define FLASH_ACR REGISTER(FLASH_BASE + 0x00)
#define FLASH_ACR_LATENCY 0xFu

/* "ICACHE control register (ICACHE_CR)", "ICACHE status register (ICACHE_SR)". */
#define ICACHE_CR REGISTER(ICACHE_BASE + 0x00)
#define ICACHE_SR REGISTER(ICACHE_BASE + 0x04)
#define ICACHE_CR_EN (1u << 0)
#define ICACHE_SR_BUSYF (1u << 0)

/* "Power control register 1 (PWR_CR1)", "Power control register 2 (PWR_CR2)", "Power status register 2
 * (PWR_SR2)". */
#define PWR_CR1 REGISTER(PWR_BASE + 0x00)
#define PWR_CR2 REGISTER(PWR_BASE + 0x04)
#define PWR_SR2 REGISTER(PWR_BASE + 0x14)
#define PWR_CR1_VOS (3u << 9) /* the number of the voltage range */
#define PWR_CR2_IOSV (1u << 9)
#define PWR_SR2_VOSF (1u << 10)

/* "Reset and clock control (RCC)". */
#define RCC_CR REGISTER(RCC_BASE + 0x00)
#define RCC_CFGR REGISTER(RCC_BASE + 0x08)
#define RCC_PLLCFGR REGISTER(RCC_BASE + 0x0C)
#define RCC_AHB2ENR REGISTER(RCC_BASE + 0x4C)
#define RCC_APB1ENR1 REGISTER(RCC_BASE + 0x58)
#define RCC_APB1ENR2 REGISTER(RCC_BASE + 0x5C)
#define RCC_CSR REGISTER(RCC_BASE + 0x94)
#define RCC_CR_HSION (1u << 8)
#define RCC_CR_HSIRDY (1u << 10)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_CFGR_SW 0x3u
#define RCC_CFGR_SW_PLL 0x3u
#define RCC_CFGR_SWS (0x3u << 2)
#define RCC_CFGR_SWS_PLL (0x3u << 2)
#define RCC_CFGR_HPRE (0xFu << 4)
#define RCC_CFGR_HPRE_2 (0x8u << 4)
#define RCC_PLLCFGR_SRC_HSI16 2u
#define RCC_PLLCFGR_M(divider) (((divider)-1u) << 4)
#define RCC_PLLCFGR_N(factor) ((factor) << 8)
#define RCC_PLLCFGR_REN (1u << 24)
#define RCC_PLLCFGR_R(divider) (((divider) / 2u - 1u) << 25)
#define RCC_APB1ENR1_PWREN (1u << 28)
#define RCC_APB1ENR2_LPUART1EN (1u << 0)
#define RCC_CSR_RMVF (1u << 23)
#define RCC_CSR_PINRSTF (1u << 26)
#define RCC_CSR_BORRSTF (1u << 27)
#define RCC_CSR_SFTRSTF (1u << 28)
#define RCC_CSR_IWDGRSTF (1u << 29)

#endif
