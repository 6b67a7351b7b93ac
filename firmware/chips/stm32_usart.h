/* The USART of the older STM32 families, with one status and one data register ("USART registers" of
 * RM0390 and RM0386). A board's serial line is one of them; this is board.h's side of it. */
#ifndef HWNAS_STM32_USART_H
#define HWNAS_STM32_USART_H

#include "board.h"
#include "board_facts.h"
#include "stm32.h"

#define USART_SR REGISTER(HWNAS_UART_BASE + 0x00)
#define USART_DR REGISTER(HWNAS_UART_BASE + 0x04)
#define USART_BRR REGISTER(HWNAS_UART_BASE + 0x08)
#define USART_CR1 REGISTER(HWNAS_UART_BASE + 0x0C)
#define USART_SR_ORE (1u << 3)
#define USART_SR_RXNE (1u << 5)
#define USART_SR_TC (1u << 6)
#define USART_SR_TXE (1u << 7)
#define USART_CR1_RE (1u << 2)
#define USART_CR1_TE (1u << 3)
#define USART_CR1_UE (1u << 13)

/* "Fractional baud rate generation": with 16-fold oversampling, BRR holds clock / baud, in sixteenths
 * of USARTDIV. */
static inline void uart_start(uint32_t divider) {
    USART_BRR = divider;
    USART_CR1 = USART_CR1_UE | USART_CR1_RE | USART_CR1_TE;
}

bool board_receive(uint8_t *byte) {
    const uint32_t status = USART_SR;
    if (!(status & (USART_SR_RXNE | USART_SR_ORE))) {
        return false;
    }
    /* Reading the data after the status also clears the error flags. After an overrun a byte is missing;
     * the frame's CRC tells. */
    const uint8_t data = (uint8_t)USART_DR;
    if (!(status & USART_SR_RXNE)) {
        return false;
    }
    *byte = data;
    return true;
}

void board_send(uint8_t byte) {
    while (!(USART_SR & USART_SR_TXE)) {
    }
    USART_DR = byte;
}

void board_flush(void) {
    while (!(USART_SR & USART_SR_TC)) {
    }
}

#endif
