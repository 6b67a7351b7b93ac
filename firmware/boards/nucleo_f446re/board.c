/* ST NUCLEO-F446RE: 180 MHz from HSI through the PLL, USART2 to the ST-LINK's virtual COM port.
 * Not yet run on silicon. */
#define SERIAL_ENABLE RCC_APB1ENR_USART2EN

#include "stm32f4_board.h"
