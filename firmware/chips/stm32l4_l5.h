/* Registers that the firmware needs and STM32L4, L4+ and L5 have alike, beside those in stm32.h, from their reference manuals (RM0351,
 * RM0432 and RM0438); the section's title in the first stands beside each. For the L5 they were read in ST's
 * header stm32l552xx.h. */
#ifndef HWNAS_STM32L4_L5_H
#define HWNAS_STM32L4_L5_H

#include "stm32.h"

/* "Memory map and register boundary addresses". */
#define RCC_BASE 0x40021000u
#define FLASH_BASE 0x40022000u

/* "Power control register 2 (PWR_CR2)". */
#define PWR_CR2 REGISTER(PWR_BASE + 0x04)
#define PWR_CR2_IOSV (1u << 9)

/* "Reset and clock control (RCC)". */
#define RCC_PLLCFGR REGISTER(RCC_BASE + 0x0C)  /* "PLL configuration register" */
#define RCC_AHB2ENR REGISTER(RCC_BASE + 0x4C)  /* "AHB2 peripheral clock enable register" */
#define RCC_APB1ENR1 REGISTER(RCC_BASE + 0x58) /* "APB1 peripheral clock enable register 1" */
#define RCC_APB1ENR2 REGISTER(RCC_BASE + 0x5C) /* "APB1 peripheral clock enable register 2" */
#define RCC_CSR REGISTER(RCC_BASE + 0x94)      /* "Control/status register" */
#define RCC_CR_HSION (1u << 8)
#define RCC_CR_HSIRDY (1u << 10)
#define RCC_CFGR_SW_PLL 0x3u
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
#define RCC_CSR_BORRSTF (1u << 27)
#define STM32_PORT_ENABLES RCC_AHB2ENR
#define STM32_POWER_RESETS RCC_CSR_BORRSTF

#endif
