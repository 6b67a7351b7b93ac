/* Serves the serial protocol, docs/protocol.md. */
#ifndef HWNAS_PROTOCOL_H
#define HWNAS_PROTOCOL_H

#include <stdint.h>

#include "plan.h"

struct protocol_facts {
    struct plan_memory memory;
    uint32_t reset_cause;
    uint32_t features;
};

#define FEATURE_CYCLE_COUNTER 1u

/* Sends the banner and answers requests for ever. */
_Noreturn void protocol_serve(const struct protocol_facts *facts);

#endif
