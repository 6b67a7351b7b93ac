/* Nordic nRF52840-DK: 64 MHz from the 32 MHz crystal, UART0 to the debugger's virtual COM port.
 * Not yet run on silicon. */
#include "nrf52_board.h"
