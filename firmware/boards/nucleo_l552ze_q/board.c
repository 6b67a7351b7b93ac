/* ST NUCLEO-L552ZE-Q: 110 MHz from HSI16 through the PLL, LPUART1 to the ST-LINK's virtual COM port,
 * TrustZone off as the board comes. Not yet run on silicon. */
#include "board.h"

#include "board_facts.h"
#include "stm32_uart.h"
#include "stm32l5.h"

/* HSI16 / 4 * 55 / 2, as in ST's examples for this board; the VCO runs at 220 MHz from 4 MHz. */
#define PLL_M 4u
#define PLL_N 55u
#define PLL_R 2u
_Static_assert(16000000u / PLL_M * PLL_N / PLL_R == HWNAS_CLOCK_HZ, "clock");

static void start_clock(void) {
    /* More than 80 MHz needs voltage range 0; the chip starts in range 2. Who makes the core's voltage,
     * LDO or SMPS, is left as the chip starts. */
    STM32_ENABLE(RCC_APB1ENR1, RCC_APB1ENR1_PWREN);
    PWR_CR1 &= ~PWR_CR1_VOS;
    while (PWR_SR2 & PWR_SR2_VOSF) {
    }
    /* Wait states come before the faster clock. */
    FLASH_ACR = (FLASH_ACR & ~FLASH_ACR_LATENCY) | HWNAS_FLASH_WAIT_STATES;
    while ((FLASH_ACR & FLASH_ACR_LATENCY) != HWNAS_FLASH_WAIT_STATES) {
    }
    /* The cache may still be emptying itself after the reset. */
    while (ICACHE_SR & ICACHE_SR_BUSYF) {
    }
    ICACHE_CR |= ICACHE_CR_EN;
    RCC_CR |= RCC_CR_HSION;
    while (!(RCC_CR & RCC_CR_HSIRDY)) {
    }
    RCC_PLLCFGR = RCC_PLLCFGR_SRC_HSI16 | RCC_PLLCFGR_M(PLL_M) | RCC_PLLCFGR_N(PLL_N) |
                  RCC_PLLCFGR_R(PLL_R) | RCC_PLLCFGR_REN;
    RCC_CR |= RCC_CR_PLLON;
    while (!(RCC_CR & RCC_CR_PLLRDY)) {
    }
    /* Beyond 80 MHz in two steps, by way of half the clock, as HAL_RCC_ClockConfig in ST's
     * stm32l5xx_hal_rcc.c does. */
    RCC_CFGR = (RCC_CFGR & ~RCC_CFGR_HPRE) | RCC_CFGR_HPRE_2;
    RCC_CFGR = (RCC_CFGR & ~RCC_CFGR_SW) | RCC_CFGR_SW_PLL;
    while ((RCC_CFGR & RCC_CFGR_SWS) != RCC_CFGR_SWS_PLL) {
    }
    /* For a microsecond at least, which chips of this kind want: each read takes a cycle or more. */
    for (uint32_t reads = 0; reads < HWNAS_CLOCK_HZ / 2u / 1000000u; reads++) {
        (void)RCC_CFGR;
    }
    RCC_CFGR &= ~RCC_CFGR_HPRE;
}

static void start_markers(void) {
    STM32_ENABLE(RCC_AHB2ENR, 1u << HWNAS_MARKER_INFERENCE_PORT | 1u << HWNAS_MARKER_LAYER_PORT |
                                  1u << HWNAS_MARKER_SPARE_PORT);
    STM32_START_OUTPUT(HWNAS_MARKER_INFERENCE_PORT, HWNAS_MARKER_INFERENCE_PIN);
    STM32_START_OUTPUT(HWNAS_MARKER_LAYER_PORT, HWNAS_MARKER_LAYER_PIN);
    STM32_START_OUTPUT(HWNAS_MARKER_SPARE_PORT, HWNAS_MARKER_SPARE_PIN);
}

static void start_serial(void) {
    /* PG2 to PG15 have a supply of their own, VDDIO2, which must be declared valid. */
    PWR_CR2 |= PWR_CR2_IOSV;
    STM32_ENABLE(RCC_AHB2ENR, 1u << HWNAS_TX_PORT | 1u << HWNAS_RX_PORT);
    STM32_START_ALTERNATE(HWNAS_TX_PORT, HWNAS_TX_PIN, HWNAS_TX_FUNCTION);
    STM32_START_ALTERNATE(HWNAS_RX_PORT, HWNAS_RX_PIN, HWNAS_RX_FUNCTION);
    STM32_ENABLE(RCC_APB1ENR2, RCC_APB1ENR2_LPUART1EN);
    /* Rounded to the nearest divider of 256 times the clock. */
    uart_start((uint32_t)((256ull * HWNAS_CLOCK_HZ + HWNAS_BAUD / 2u) / HWNAS_BAUD));
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
    start_markers();
    start_serial();
    stm32_start_watchdog();
    return take_reset_cause();
}

void board_feed_watchdog(void) {
    stm32_feed_watchdog();
}
