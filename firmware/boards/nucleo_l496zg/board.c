/* ST NUCLEO-L496ZG: 80 MHz from HSI16 through the PLL, LPUART1 to the ST-LINK's virtual COM port.
 * Not yet run on silicon. */
#include "board.h"

#include "board_facts.h"
#include "stm32l4.h"

/* HSI16 / 2 * 20 / 2; its VCO runs at 160 MHz (DS11585, PLL characteristics). */
#define PLL_M 2u
#define PLL_N 20u
#define PLL_R 2u
_Static_assert(16000000u / PLL_M * PLL_N / PLL_R == HWNAS_CLOCK_HZ, "clock");

static void start_clock(void) {
    /* Wait states come before the faster clock (RM0351, 3.3.3). The chip starts in voltage range 1
     * with both caches on. */
    FLASH_ACR = FLASH_ACR_ICEN | FLASH_ACR_DCEN | HWNAS_FLASH_WAIT_STATES;
    while ((FLASH_ACR & FLASH_ACR_LATENCY) != HWNAS_FLASH_WAIT_STATES) {
    }
    RCC_CR |= RCC_CR_HSION;
    while (!(RCC_CR & RCC_CR_HSIRDY)) {
    }
    RCC_PLLCFGR = RCC_PLLCFGR_SRC_HSI16 | RCC_PLLCFGR_M(PLL_M) | RCC_PLLCFGR_N(PLL_N) |
                  RCC_PLLCFGR_R(PLL_R) | RCC_PLLCFGR_REN;
    RCC_CR |= RCC_CR_PLLON;
    while (!(RCC_CR & RCC_CR_PLLRDY)) {
    }
    RCC_CFGR = (RCC_CFGR & ~RCC_CFGR_SW) | RCC_CFGR_SW_PLL;
    while ((RCC_CFGR & RCC_CFGR_SWS) != RCC_CFGR_SWS_PLL) {
    }
}

static void set_mode(uint32_t port, uint32_t pin, uint32_t mode) {
    GPIO_MODER(port) = (GPIO_MODER(port) & ~(3u << 2u * pin)) | mode << 2u * pin;
}

static void start_output(uint32_t port, uint32_t pin) {
    RCC_AHB2ENR |= 1u << port;
    (void)RCC_AHB2ENR; /* two cycles until the port is there (RM0351, 6.2.19) */
    GPIO_BSRR(port) = 1u << (pin + GPIO_BSRR_RESET_SHIFT);
    set_mode(port, pin, GPIO_MODE_OUTPUT);
}

static void start_alternate(uint32_t port, uint32_t pin, uint32_t function) {
    RCC_AHB2ENR |= 1u << port;
    (void)RCC_AHB2ENR;
    const uint32_t shift = pin % 8u * 4u;
    GPIO_AFR(port, pin) = (GPIO_AFR(port, pin) & ~(0xFu << shift)) | function << shift;
    set_mode(port, pin, GPIO_MODE_ALTERNATE);
}

static void start_serial(void) {
    /* PG2 to PG15 have a supply of their own, which must be declared valid (RM0351, 5.1.4). */
    RCC_APB1ENR1 |= RCC_APB1ENR1_PWREN;
    (void)RCC_APB1ENR1;
    PWR_CR2 |= PWR_CR2_IOSV;
    start_alternate(HWNAS_TX_PORT, HWNAS_TX_PIN, HWNAS_TX_FUNCTION);
    start_alternate(HWNAS_RX_PORT, HWNAS_RX_PIN, HWNAS_RX_FUNCTION);
    RCC_APB1ENR2 |= RCC_APB1ENR2_LPUART1EN;
    (void)RCC_APB1ENR2;
    /* RM0351, 47.4.4; rounded to the nearest divider. */
    LPUART_BRR(HWNAS_UART_BASE) =
        (uint32_t)((256ull * HWNAS_CLOCK_HZ + HWNAS_BAUD / 2u) / HWNAS_BAUD);
    LPUART_CR1(HWNAS_UART_BASE) = LPUART_CR1_UE | LPUART_CR1_RE | LPUART_CR1_TE;
}

/* 256 * 4096 turns of the 32 kHz oscillator: a reset after about 32 s without being fed. */
static void start_watchdog(void) {
    IWDG_KR = IWDG_KEY_START;
    IWDG_KR = IWDG_KEY_UNLOCK;
    IWDG_PR = IWDG_PR_256;
    IWDG_RLR = IWDG_RLR_MOST;
    while (IWDG_SR != 0) {
    }
    board_feed_watchdog();
}

static uint32_t take_reset_cause(void) {
    const uint32_t flags = RCC_CSR;
    RCC_CSR |= RCC_CSR_RMVF;
    /* The pin is pulled down in every kind of reset, so its flag tells nothing beside another. */
    if (flags & RCC_CSR_IWDGRSTF) {
        return RESET_WATCHDOG;
    }
    if (flags & RCC_CSR_SFTRSTF) {
        return RESET_SOFTWARE;
    }
    return flags & (RCC_CSR_BORRSTF | RCC_CSR_PINRSTF) ? RESET_POWER_OR_PIN : 0;
}

uint32_t board_start(void) {
    start_clock();
    start_output(HWNAS_MARKER_INFERENCE_PORT, HWNAS_MARKER_INFERENCE_PIN);
    start_output(HWNAS_MARKER_LAYER_PORT, HWNAS_MARKER_LAYER_PIN);
    start_output(HWNAS_MARKER_SPARE_PORT, HWNAS_MARKER_SPARE_PIN);
    start_serial();
    start_watchdog();
    return take_reset_cause();
}

bool board_receive(uint8_t *byte) {
    const uint32_t status = LPUART_ISR(HWNAS_UART_BASE);
    if (status & LPUART_ISR_ORE) {
        /* A byte was lost; the frame's CRC tells. Until the flag is cleared no other one comes. */
        LPUART_ICR(HWNAS_UART_BASE) = LPUART_ICR_ERRORS;
    }
    if (!(status & LPUART_ISR_RXNE)) {
        return false;
    }
    *byte = (uint8_t)LPUART_RDR(HWNAS_UART_BASE);
    return true;
}

void board_send(uint8_t byte) {
    while (!(LPUART_ISR(HWNAS_UART_BASE) & LPUART_ISR_TXE)) {
    }
    LPUART_TDR(HWNAS_UART_BASE) = byte;
}

void board_flush(void) {
    while (!(LPUART_ISR(HWNAS_UART_BASE) & LPUART_ISR_TC)) {
    }
}

void board_feed_watchdog(void) {
    IWDG_KR = IWDG_KEY_RELOAD;
}
