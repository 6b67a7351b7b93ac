/* What a board does for the firmware; boards/NAME/board.c implements it. */
#ifndef HWNAS_BOARD_H
#define HWNAS_BOARD_H

#include <stdbool.h>
#include <stdint.h>

enum reset_cause { RESET_POWER_OR_PIN = 1u, RESET_SOFTWARE = 2u, RESET_WATCHDOG = 4u };

/* Clocks, memories, pins, serial line and watchdog, in this order. Returns the causes of the
 * reset, 0 where they are not known. */
uint32_t board_start(void);

/* Takes a byte that has come; false where there is none. */
bool board_receive(uint8_t *byte);

/* Sends a byte, after waiting for room. */
void board_send(uint8_t byte);

/* Waits until all that was sent has left the chip. */
void board_flush(void);

void board_feed_watchdog(void);

#endif
