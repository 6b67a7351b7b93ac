/* ST NUCLEO-L552ZE-Q: 110 MHz from HSI16 through the PLL, LPUART1 to the ST-LINK's virtual COM port,
 * TrustZone off as the board comes. Not yet run on silicon. */

/* HSI16 / 4 * 55 / 2, as in ST's examples for this board; the VCO runs at 220 MHz from 4 MHz. */
#define PLL_M 4u
#define PLL_N 55u
#define PLL_R 2u

#include "stm32l5_board.h"
