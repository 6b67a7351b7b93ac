/* ST 32F469IDISCOVERY: 180 MHz from HSI through the PLL, USART3 to the ST-LINK's virtual COM port.
 * Not yet run on silicon. */
#define SERIAL_ENABLE RCC_APB1ENR_USART3EN

#include "stm32f4_board.h"
