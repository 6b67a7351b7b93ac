/* ST NUCLEO-L4R5ZI: 120 MHz from HSI16 through the PLL, LPUART1 to the ST-LINK's virtual COM port.
 * Not yet run on silicon. */

/* HSI16 / 2 * 30 / 2; its VCO runs at 240 MHz from 8 MHz, as those of all STM32L4 may. */
#define PLL_M 2u
#define PLL_N 30u
#define PLL_R 2u

#include "stm32l4_board.h"
