/* Registers that the firmware needs and STM32F446, F469, F76x and F77x have alike, beside those in stm32.h; the
 * title of the section in the reference manuals of the first two (RM0390 and RM0386) stands beside each. A test
 * holds them against the SVD of the STM32F429, which has them alike; what that one lacks was read in ST's
 * headers stm32f446xx.h and stm32f469xx.h, and all of them for the F7 (RM0410) in stm32f767xx.h. */
#ifndef HWNAS_STM32F4_F7_H
#define HWNAS_STM32F4_F7_H

#include "stm32.h"

/* "Memory map". */
#define GPIO_BASE 0x40020000u
#define RCC_BASE 0x40023800u
#define FLASH_BASE 0x40023C00u

/* "PWR power control register (PWR_CR)" and "PWR power control/status register (PWR_CSR)"; PWR_CR1 and
 * PWR_CSR1 in RM0410. */
#define PWR_CR REGISTER(PWR_BASE + 0x00)
#define PWR_CSR REGISTER(PWR_BASE + 0x04)
#define PWR_CR_VOS (3u << 14)
#define PWR_CR_VOS_SCALE1 (3u << 14)
#define PWR_CR_ODEN (1u << 16)
#define PWR_CR_ODSWEN (1u << 17)
#define PWR_CSR_VOSRDY (1u << 14)
#define PWR_CSR_ODRDY (1u << 16)
#define PWR_CSR_ODSWRDY (1u << 17)

/* "Reset and clock control (RCC)". */
#define RCC_PLLCFGR REGISTER(RCC_BASE + 0x04) /* "RCC PLL configuration register" */
#define RCC_AHB1ENR REGISTER(RCC_BASE + 0x30) /* "RCC AHB1 peripheral clock enable register" */
#define RCC_APB1ENR REGISTER(RCC_BASE + 0x40) /* "RCC APB1 peripheral clock enable register" */
#define RCC_CSR REGISTER(RCC_BASE + 0x74)     /* "RCC clock control & status register" */
#define RCC_PLLCFGR_M(divider) ((divider) << 0)
#define RCC_PLLCFGR_N(factor) ((factor) << 6)
#define RCC_PLLCFGR_P(divider) (((divider) / 2u - 1u) << 16)
#define RCC_PLLCFGR_Q(divider) ((divider) << 24)
#define RCC_PLLCFGR_R(divider) ((divider) << 28) /* not in the STM32F429 */
#define RCC_CFGR_SW_PLL 0x2u
#define RCC_CFGR_SWS_PLL (0x2u << 2)
#define RCC_CFGR_PPRE1 (0x7u << 10)
#define RCC_CFGR_PPRE1_4 (0x5u << 10)
#define RCC_CFGR_PPRE2 (0x7u << 13)
#define RCC_CFGR_PPRE2_2 (0x4u << 13)
#define RCC_APB1ENR_USART3EN (1u << 18)
#define RCC_APB1ENR_PWREN (1u << 28)
#define RCC_CSR_RMVF (1u << 24)
#define RCC_CSR_BORRSTF (1u << 25)
#define RCC_CSR_PORRSTF (1u << 27)
#define STM32_PORT_ENABLES RCC_AHB1ENR
#define STM32_POWER_RESETS (RCC_CSR_PORRSTF | RCC_CSR_BORRSTF)

#endif
