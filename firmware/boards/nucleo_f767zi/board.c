/* ST NUCLEO-F767ZI: 216 MHz from the ST-LINK's 8 MHz through the PLL, USART3 to the ST-LINK's virtual COM
 * port. Not yet run on silicon. */

/* HSE / 4 * 216 / 2; the VCO runs at 432 MHz from 2 MHz. Outputs Q and R feed nothing here; 0 and 1 would
 * be wrong settings. */
#define PLL_M 4u
#define PLL_N 216u
#define PLL_P 2u
#define PLL_Q 9u
#define PLL_R 2u
#define SERIAL_ENABLE RCC_APB1ENR_USART3EN

#include "stm32f7_board.h"
