#include "timer.h"

#include "cortex_m.h"

static uint64_t total;
static uint32_t latest;

bool timer_start(void) {
    DCB_DEMCR |= DEMCR_TRCENA;
    DWT_CYCCNT = 0;
    DWT_CTRL |= DWT_CTRL_CYCCNTENA;
    total = 0;
    latest = DWT_CYCCNT;
    core_barrier();
    return DWT_CYCCNT != latest;
}

uint64_t timer_cycles(void) {
    const uint32_t now = DWT_CYCCNT;
    total += now - latest;
    latest = now;
    return total;
}
