/* The UART of the newer STM32 families, and their low-power UART, which has the same registers
 * ("USART registers" and "LPUART registers" of RM0351). A board's serial line is one of them; this is
 * board.h's side of it. */
#ifndef HWNAS_STM32_UART_H
#define HWNAS_STM32_UART_H

#include "board.h"
#include "board_facts.h"
#include "stm32.h"

#define UART_CR1 REGISTER(HWNAS_UART_BASE + 0x00)
#define UART_BRR REGISTER(HWNAS_UART_BASE + 0x0C)
#define UART_ISR REGISTER(HWNAS_UART_BASE + 0x1C)
#define UART_ICR REGISTER(HWNAS_UART_BASE + 0x20)
#define UART_RDR REGISTER(HWNAS_UART_BASE + 0x24)
#define UART_TDR REGISTER(HWNAS_UART_BASE + 0x28)
#define UART_CR1_UE (1u << 0)
#define UART_CR1_RE (1u << 2)
#define UART_CR1_TE (1u << 3)
#define UART_ISR_ORE (1u << 3)
#define UART_ISR_RXNE (1u << 5)
#define UART_ISR_TC (1u << 6)
#define UART_ISR_TXE (1u << 7)
#define UART_ICR_ERRORS 0xFu /* parity, framing, noise, overrun */

static inline void uart_start(uint32_t divider) {
    UART_BRR = divider;
    UART_CR1 = UART_CR1_UE | UART_CR1_RE | UART_CR1_TE;
}

bool board_receive(uint8_t *byte) {
    const uint32_t status = UART_ISR;
    if (status & UART_ISR_ORE) {
        /* A byte was lost; the frame's CRC tells. Until the flag is cleared no other one comes. */
        UART_ICR = UART_ICR_ERRORS;
    }
    if (!(status & UART_ISR_RXNE)) {
        return false;
    }
    *byte = (uint8_t)UART_RDR;
    return true;
}

void board_send(uint8_t byte) {
    while (!(UART_ISR & UART_ISR_TXE)) {
    }
    UART_TDR = byte;
}

void board_flush(void) {
    while (!(UART_ISR & UART_ISR_TC)) {
    }
}

#endif
