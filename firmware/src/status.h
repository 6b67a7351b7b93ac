/* What responses and refused plans say, as docs/protocol.md lists it. */
#ifndef HWNAS_STATUS_H
#define HWNAS_STATUS_H

#include <stdint.h>

enum status_code {
    STATUS_OK = 0,
    STATUS_UNKNOWN_MESSAGE = 1,
    STATUS_BAD_LENGTH = 2,
    STATUS_BAD_ARGUMENT = 3,
    STATUS_NO_PLAN = 4,
    STATUS_PLAN_HEADER = 5,
    STATUS_PLAN_CRC = 6,
    STATUS_PLAN_TENSOR = 7,
    STATUS_PLAN_STEP = 8,
    STATUS_PLAN_TOO_LARGE = 9,
    STATUS_PARAMETERS_TOO_LARGE = 10,
    STATUS_UNSUPPORTED_KERNEL_SET = 11,
    STATUS_TOO_MANY_RESULTS = 12,
    STATUS_KERNEL_FAILED = 13,
    STATUS_NO_MODEL = 14,
    STATUS_MODEL_DAMAGED = 15
};

struct status {
    uint8_t code;
    uint16_t reason;
    uint32_t detail;
};

static inline struct status status(enum status_code code, uint32_t reason, uint32_t detail) {
    return (struct status){(uint8_t)code, (uint16_t)reason, detail};
}

static inline struct status status_ok(void) {
    return status(STATUS_OK, 0, 0);
}

#endif
