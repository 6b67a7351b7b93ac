#include "board.h"
#include "board_facts.h"
#include "identity.h"
#include "protocol.h"
#include "timer.h"

/* From the linker script. */
extern uint8_t workspace_start[], workspace_end[];

const volatile struct image_identity image_identity
    __attribute__((section(".identity"), used)) = {{0}, {0}};

int main(void) {
    static struct protocol_facts facts;
    facts.reset_cause = board_start();
    facts.features = timer_start() ? FEATURE_CYCLE_COUNTER : 0;
    facts.memory.arena = workspace_start;
    facts.memory.workspace_bytes = (uint32_t)(workspace_end - workspace_start);
    facts.memory.parameters = (const uint8_t *)HWNAS_PARAMETERS_BASE;
    facts.memory.parameter_bytes = HWNAS_PARAMETERS_BYTES;
    protocol_serve(&facts);
}
