/* Registers of the STM32F446 and STM32F469 that the firmware needs, beside those in stm32f4_f7.h. */
#ifndef HWNAS_STM32F4_H
#define HWNAS_STM32F4_H

#include "stm32f4_f7.h"

#define FLASH_ACR_PRFTEN (1u << 8)
#define FLASH_ACR_ICEN (1u << 9)
#define FLASH_ACR_DCEN (1u << 10)
#define RCC_CR_HSION (1u << 0)
#define RCC_CR_HSIRDY (1u << 1)
#define RCC_PLLCFGR_SRC_HSI (0u << 22)
#define RCC_APB1ENR_USART2EN (1u << 17)

#endif
