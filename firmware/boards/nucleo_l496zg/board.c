/* ST NUCLEO-L496ZG: 80 MHz from HSI16 through the PLL, LPUART1 to the ST-LINK's virtual COM port.
 * Not yet run on silicon. */

/* HSI16 / 2 * 20 / 2; its VCO runs at 160 MHz (DS11585, PLL characteristics). */
#define PLL_M 2u
#define PLL_N 20u
#define PLL_R 2u

#include "stm32l4_board.h"
