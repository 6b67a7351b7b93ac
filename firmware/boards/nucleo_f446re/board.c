/* ST NUCLEO-F446RE: 180 MHz from HSI through the PLL, USART2 to the ST-LINK's virtual COM port.
 * Not yet run on silicon. */
#include "board.h"

#include "board_facts.h"
#include "stm32_usart.h"
#include "stm32f4_start.h"

uint32_t board_start(void) {
    stm32f4_start_clock();
    stm32f4_start_pins();
    STM32_ENABLE(RCC_APB1ENR, RCC_APB1ENR_USART2EN);
    usart_start(HWNAS_CLOCK_HZ / APB1_DIVIDER);
    stm32_start_watchdog();
    return stm32f4_take_reset_cause();
}

void board_feed_watchdog(void) {
    stm32_feed_watchdog();
}
