/* The nRF52's UART without EasyDMA ("UART - Universal asynchronous receiver/transmitter"): board.h's
 * side of the serial line. Bytes go one by one, which DMA would only make more complicated. */
#ifndef HWNAS_NRF52_UART_H
#define HWNAS_NRF52_UART_H

#include "board.h"
#include "board_facts.h"
#include "nrf52.h"

#define UART_TASKS_STARTRX REGISTER(HWNAS_UART_BASE + 0x000)
#define UART_TASKS_STARTTX REGISTER(HWNAS_UART_BASE + 0x008)
#define UART_EVENTS_RXDRDY REGISTER(HWNAS_UART_BASE + 0x108)
#define UART_EVENTS_TXDRDY REGISTER(HWNAS_UART_BASE + 0x11C)
#define UART_ENABLE REGISTER(HWNAS_UART_BASE + 0x500)
#define UART_PSEL_TXD REGISTER(HWNAS_UART_BASE + 0x50C)
#define UART_PSEL_RXD REGISTER(HWNAS_UART_BASE + 0x514)
#define UART_RXD REGISTER(HWNAS_UART_BASE + 0x518)
#define UART_TXD REGISTER(HWNAS_UART_BASE + 0x51C)
#define UART_BAUDRATE REGISTER(HWNAS_UART_BASE + 0x524)
#define UART_CONFIG REGISTER(HWNAS_UART_BASE + 0x56C)
#define UART_ENABLE_ENABLED 4u
#define UART_BAUDRATE_1M 0x10000000u
#define UART_CONFIG_8N1_NO_FLOW_CONTROL 0u
#define UART_PSEL(port, pin) ((port) << 5 | (pin))

/* The pins must be set up before the UART takes them over. */
static inline void uart_start(uint32_t rate) {
    NRF52_START_OUTPUT(HWNAS_TX_PORT, HWNAS_TX_PIN, true);
    GPIO_PIN_CNF(HWNAS_RX_PORT, HWNAS_RX_PIN) = GPIO_PIN_CNF_INPUT;
    UART_PSEL_TXD = UART_PSEL(HWNAS_TX_PORT, HWNAS_TX_PIN);
    UART_PSEL_RXD = UART_PSEL(HWNAS_RX_PORT, HWNAS_RX_PIN);
    UART_BAUDRATE = rate;
    UART_CONFIG = UART_CONFIG_8N1_NO_FLOW_CONTROL;
    UART_ENABLE = UART_ENABLE_ENABLED;
    UART_TASKS_STARTTX = 1;
    UART_TASKS_STARTRX = 1;
}

bool board_receive(uint8_t *byte) {
    if (!UART_EVENTS_RXDRDY) {
        return false;
    }
    /* In this order: reading the byte brings up the next one, with an event of its own. */
    UART_EVENTS_RXDRDY = 0;
    *byte = (uint8_t)UART_RXD;
    return true;
}

/* Waits after the byte, not before it: so there is no state to keep, and nothing left to flush. */
void board_send(uint8_t byte) {
    UART_EVENTS_TXDRDY = 0;
    UART_TXD = byte;
    while (!UART_EVENTS_TXDRDY) {
    }
}

void board_flush(void) {
}

#endif
