/* ST NUCLEO-F767ZI: 216 MHz from the ST-LINK's 8 MHz through the PLL, both caches on, USART3 to the
 * ST-LINK's virtual COM port. Not yet run on silicon. */
#include "board.h"

#include "board_facts.h"
#include "cortex_m7.h"
#include "stm32_uart.h"
#include "stm32f7.h"

/* HSE / 4 * 216 / 2; the VCO runs at 432 MHz from 2 MHz. Outputs Q and R feed nothing here; 0 and 1 would
 * be wrong settings. */
#define PLL_M 4u
#define PLL_N 216u
#define PLL_P 2u
#define PLL_Q 9u
#define PLL_R 2u
#define APB1_DIVIDER 4u
#define APB1_HZ (HWNAS_CLOCK_HZ / APB1_DIVIDER)
_Static_assert(HWNAS_EXTERNAL_CLOCK_HZ / PLL_M * PLL_N / PLL_P == HWNAS_CLOCK_HZ, "clock");
/* The most that APB1 may run at; APB2 runs at half the core's clock, which is its limit, too. */
_Static_assert(APB1_HZ <= 54000000u, "APB1");

/* More than 180 MHz needs voltage scale 1 and over-drive, which is entered while the core still runs from
 * HSI and before peripherals are switched on (HAL_PWREx_EnableOverDrive in ST's stm32f7xx_hal_pwr_ex.c). */
static void start_clock(void) {
    RCC_CR |= RCC_CR_HSEBYP;
    RCC_CR |= RCC_CR_HSEON;
    while (!(RCC_CR & RCC_CR_HSERDY)) {
    }
    STM32_ENABLE(RCC_APB1ENR, RCC_APB1ENR_PWREN);
    PWR_CR1 = (PWR_CR1 & ~PWR_CR1_VOS) | PWR_CR1_VOS_SCALE1;
    RCC_PLLCFGR = RCC_PLLCFGR_SRC_HSE | RCC_PLLCFGR_M(PLL_M) | RCC_PLLCFGR_N(PLL_N) |
                  RCC_PLLCFGR_P(PLL_P) | RCC_PLLCFGR_Q(PLL_Q) | RCC_PLLCFGR_R(PLL_R);
    RCC_CR |= RCC_CR_PLLON;
    while (!(RCC_CR & RCC_CR_PLLRDY)) {
    }
    while (!(PWR_CSR1 & PWR_CSR1_VOSRDY)) {
    }
    PWR_CR1 |= PWR_CR1_ODEN;
    while (!(PWR_CSR1 & PWR_CSR1_ODRDY)) {
    }
    PWR_CR1 |= PWR_CR1_ODSWEN;
    while (!(PWR_CSR1 & PWR_CSR1_ODSWRDY)) {
    }
    /* Wait states come before the faster clock. The ART accelerator stays off: it serves the flash's ITCM
     * side, and the image is linked to the AXI side, behind the caches. */
    FLASH_ACR = HWNAS_FLASH_WAIT_STATES;
    while ((FLASH_ACR & FLASH_ACR_LATENCY) != HWNAS_FLASH_WAIT_STATES) {
    }
    RCC_CFGR = (RCC_CFGR & ~(RCC_CFGR_PPRE1 | RCC_CFGR_PPRE2)) | RCC_CFGR_PPRE1_4 | RCC_CFGR_PPRE2_2;
    RCC_CFGR = (RCC_CFGR & ~RCC_CFGR_SW) | RCC_CFGR_SW_PLL;
    while ((RCC_CFGR & RCC_CFGR_SWS) != RCC_CFGR_SWS_PLL) {
    }
}

static void start_pins(void) {
    STM32_ENABLE(RCC_AHB1ENR, 1u << HWNAS_MARKER_INFERENCE_PORT | 1u << HWNAS_MARKER_LAYER_PORT |
                                  1u << HWNAS_MARKER_SPARE_PORT | 1u << HWNAS_TX_PORT |
                                  1u << HWNAS_RX_PORT);
    STM32_START_OUTPUT(HWNAS_MARKER_INFERENCE_PORT, HWNAS_MARKER_INFERENCE_PIN);
    STM32_START_OUTPUT(HWNAS_MARKER_LAYER_PORT, HWNAS_MARKER_LAYER_PIN);
    STM32_START_OUTPUT(HWNAS_MARKER_SPARE_PORT, HWNAS_MARKER_SPARE_PIN);
    STM32_START_ALTERNATE(HWNAS_TX_PORT, HWNAS_TX_PIN, HWNAS_TX_FUNCTION);
    STM32_START_ALTERNATE(HWNAS_RX_PORT, HWNAS_RX_PIN, HWNAS_RX_FUNCTION);
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
    return flags & (RCC_CSR_PORRSTF | RCC_CSR_BORRSTF | RCC_CSR_PINRSTF) ? RESET_POWER_OR_PIN : 0;
}

uint32_t board_start(void) {
    start_clock();
    core_start_caches();
    core_unlock_cycle_counter();
    start_pins();
    /* After a reset USART3 runs from APB1. With 16-fold oversampling BRR holds clock / baud; rounded to the
     * nearest. */
    STM32_ENABLE(RCC_APB1ENR, RCC_APB1ENR_USART3EN);
    uart_start((APB1_HZ + HWNAS_BAUD / 2u) / HWNAS_BAUD);
    stm32_start_watchdog();
    return take_reset_cause();
}

void board_feed_watchdog(void) {
    stm32_feed_watchdog();
}
