/* Registers of the STM32F76x and F77x that the firmware needs, beside those in stm32f4_f7.h, from ST's header
 * stm32f767xx.h. */
#ifndef HWNAS_STM32F7_H
#define HWNAS_STM32F7_H

#include "stm32f4_f7.h"

#define RCC_CR_HSEON (1u << 16)
#define RCC_CR_HSERDY (1u << 17)
#define RCC_CR_HSEBYP (1u << 18)
#define RCC_PLLCFGR_SRC_HSE (1u << 22)

#endif
