/* Registers of the STM32F76x and F77x that the firmware needs. Addresses and bits are those of ST's header
 * stm32f767xx.h; chapters are those of their reference manual, RM0410. */
#ifndef HWNAS_STM32F7_H
#define HWNAS_STM32F7_H

#include "stm32.h"

#define PWR_BASE 0x40007000u
#define GPIO_BASE 0x40020000u
#define RCC_BASE 0x40023800u
#define FLASH_BASE 0x40023C00u

/* "Embedded Flash memory". */
#define FLASH_ACR REGISTER(FLASH_BASE + 0x00)
#define FLASH_ACR_LATENCY 0xFu

/* "Power controller". What the manual calls PWR_CR1 and PWR_CSR1 goes by the names of the STM32F4, which has
 * the same bits: one piece of code serves both. */
#define PWR_CR REGISTER(PWR_BASE + 0x00)
#define PWR_CSR REGISTER(PWR_BASE + 0x04)
#define PWR_CR_VOS (3u << 14)
#define PWR_CR_VOS_SCALE1 (3u << 14)
#define PWR_CR_ODEN (1u << 16)
#define PWR_CR_ODSWEN (1u << 17)
#define PWR_CSR_VOSRDY (1u << 14)
#define PWR_CSR_ODRDY (1u << 16)
#define PWR_CSR_ODSWRDY (1u << 17)

/* "Reset and clock control". */
#define RCC_CR REGISTER(RCC_BASE + 0x00)
#define RCC_PLLCFGR REGISTER(RCC_BASE + 0x04)
#define RCC_CFGR REGISTER(RCC_BASE + 0x08)
#define RCC_AHB1ENR REGISTER(RCC_BASE + 0x30)
#define RCC_APB1ENR REGISTER(RCC_BASE + 0x40)
#define RCC_CSR REGISTER(RCC_BASE + 0x74)
#define RCC_CR_HSEON (1u << 16)
#define RCC_CR_HSERDY (1u << 17)
#define RCC_CR_HSEBYP (1u << 18)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_PLLCFGR_M(divider) ((divider) << 0)
#define RCC_PLLCFGR_N(factor) ((factor) << 6)
#define RCC_PLLCFGR_P(divider) (((divider) / 2u - 1u) << 16)
#define RCC_PLLCFGR_SRC_HSE (1u << 22)
#define RCC_PLLCFGR_Q(divider) ((divider) << 24)
#define RCC_PLLCFGR_R(divider) ((divider) << 28)
#define RCC_CFGR_SW 0x3u
#define RCC_CFGR_SW_PLL 0x2u
#define RCC_CFGR_SWS (0x3u << 2)
#define RCC_CFGR_SWS_PLL (0x2u << 2)
#define RCC_CFGR_PPRE1 (0x7u << 10)
#define RCC_CFGR_PPRE1_4 (0x5u << 10)
#define RCC_CFGR_PPRE2 (0x7u << 13)
#define RCC_CFGR_PPRE2_2 (0x4u << 13)
#define RCC_APB1ENR_USART3EN (1u << 18)
#define RCC_APB1ENR_PWREN (1u << 28)
#define RCC_CSR_RMVF (1u << 24)
#define RCC_CSR_BORRSTF (1u << 25)
#define RCC_CSR_PINRSTF (1u << 26)
#define RCC_CSR_PORRSTF (1u << 27)
#define RCC_CSR_SFTRSTF (1u << 28)
#define RCC_CSR_IWDGRSTF (1u << 29)
#define STM32_PORT_ENABLES RCC_AHB1ENR
#define STM32_POWER_RESETS (RCC_CSR_PORRSTF | RCC_CSR_BORRSTF)

#endif
