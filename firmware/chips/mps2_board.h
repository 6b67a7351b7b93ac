/* All of board.h for Arm's MPS2 as QEMU has it: a CMSDK UART (Arm DDI 0479D, section 4.3) and
 * nothing else. */
#ifndef HWNAS_MPS2_BOARD_H
#define HWNAS_MPS2_BOARD_H

#include "board.h"
#include "board_facts.h"
#include "cortex_m.h"

#define UART_DATA REGISTER(HWNAS_UART_BASE + 0x00)
#define UART_STATE REGISTER(HWNAS_UART_BASE + 0x04)
#define UART_CTRL REGISTER(HWNAS_UART_BASE + 0x08)
#define UART_BAUDDIV REGISTER(HWNAS_UART_BASE + 0x10)
#define UART_STATE_TX_FULL (1u << 0)
#define UART_STATE_RX_FULL (1u << 1)
#define UART_CTRL_TX (1u << 0)
#define UART_CTRL_RX (1u << 1)

uint32_t board_start(void) {
    UART_BAUDDIV = HWNAS_CLOCK_HZ / HWNAS_BAUD;
    UART_CTRL = UART_CTRL_TX | UART_CTRL_RX;
    return 0; /* the machine keeps no cause */
}

bool board_receive(uint8_t *byte) {
    if (!(UART_STATE & UART_STATE_RX_FULL)) {
        return false;
    }
    *byte = (uint8_t)UART_DATA;
    return true;
}

void board_send(uint8_t byte) {
    while (UART_STATE & UART_STATE_TX_FULL) {
    }
    UART_DATA = byte;
}

void board_flush(void) {
    while (UART_STATE & UART_STATE_TX_FULL) {
    }
}

void board_feed_watchdog(void) {
}

#endif
