/* Registers of the STM32L496 that the firmware needs, from its reference manual (RM0351 rev 9);
 * the section stands beside each. */
#ifndef HWNAS_STM32L4_H
#define HWNAS_STM32L4_H

#include "cortex_m.h"

/* 2.2, memory map and register boundary addresses. */
#define PWR_BASE 0x40007000u
#define RCC_BASE 0x40021000u
#define FLASH_BASE 0x40022000u
#define IWDG_BASE 0x40003000u
#define GPIO_BASE 0x48000000u
#define GPIO_STEP 0x400u

/* 3.7.1, flash access control register. */
#define FLASH_ACR REGISTER(FLASH_BASE + 0x00)
#define FLASH_ACR_LATENCY 0x7u
#define FLASH_ACR_ICEN (1u << 9)
#define FLASH_ACR_DCEN (1u << 10)

/* 5.4.2, power control register 2. */
#define PWR_CR2 REGISTER(PWR_BASE + 0x04)
#define PWR_CR2_IOSV (1u << 9)

/* 6.4, reset and clock control. */
#define RCC_CR REGISTER(RCC_BASE + 0x00)       /* 6.4.1 */
#define RCC_CFGR REGISTER(RCC_BASE + 0x08)     /* 6.4.3 */
#define RCC_PLLCFGR REGISTER(RCC_BASE + 0x0C)  /* 6.4.4 */
#define RCC_AHB2ENR REGISTER(RCC_BASE + 0x4C)  /* 6.4.17 */
#define RCC_APB1ENR1 REGISTER(RCC_BASE + 0x58) /* 6.4.19 */
#define RCC_APB1ENR2 REGISTER(RCC_BASE + 0x5C) /* 6.4.20 */
#define RCC_CSR REGISTER(RCC_BASE + 0x94)      /* 6.4.29 */
#define RCC_CR_HSION (1u << 8)
#define RCC_CR_HSIRDY (1u << 10)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_CFGR_SW 0x3u
#define RCC_CFGR_SW_PLL 0x3u
#define RCC_CFGR_SWS (0x3u << 2)
#define RCC_CFGR_SWS_PLL (0x3u << 2)
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

/* 8.5, general-purpose I/Os; `port` counts from A. */
#define GPIO_PORT(port) (GPIO_BASE + (port)*GPIO_STEP)
#define GPIO_MODER(port) REGISTER(GPIO_PORT(port) + 0x00)          /* 8.5.1 */
#define GPIO_BSRR(port) REGISTER(GPIO_PORT(port) + 0x18)           /* 8.5.7 */
#define GPIO_AFR(port, pin) REGISTER(GPIO_PORT(port) + 0x20 + (pin) / 8u * 4u) /* 8.5.9 */
#define GPIO_BSRR_RESET_SHIFT 16u
#define GPIO_MODE_OUTPUT 1u
#define GPIO_MODE_ALTERNATE 2u

/* 41.4, independent watchdog. */
#define IWDG_KR REGISTER(IWDG_BASE + 0x00)
#define IWDG_PR REGISTER(IWDG_BASE + 0x04)
#define IWDG_RLR REGISTER(IWDG_BASE + 0x08)
#define IWDG_SR REGISTER(IWDG_BASE + 0x0C)
#define IWDG_KEY_START 0xCCCCu
#define IWDG_KEY_UNLOCK 0x5555u
#define IWDG_KEY_RELOAD 0xAAAAu
#define IWDG_PR_256 6u
#define IWDG_RLR_MOST 0xFFFu

/* 47.7, low-power UART. */
#define LPUART_CR1(base) REGISTER((base) + 0x00)
#define LPUART_BRR(base) REGISTER((base) + 0x0C)
#define LPUART_ISR(base) REGISTER((base) + 0x1C)
#define LPUART_ICR(base) REGISTER((base) + 0x20)
#define LPUART_RDR(base) REGISTER((base) + 0x24)
#define LPUART_TDR(base) REGISTER((base) + 0x28)
#define LPUART_CR1_UE (1u << 0)
#define LPUART_CR1_RE (1u << 2)
#define LPUART_CR1_TE (1u << 3)
#define LPUART_ISR_ORE (1u << 3)
#define LPUART_ISR_RXNE (1u << 5)
#define LPUART_ISR_TC (1u << 6)
#define LPUART_ISR_TXE (1u << 7)
#define LPUART_ICR_ERRORS 0xFu /* parity, framing, noise, overrun */

#endif
