/* Runs a checked plan once. */
#ifndef HWNAS_EXECUTOR_H
#define HWNAS_EXECUTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "plan.h"
#include "status.h"

struct run_options {
    bool per_layer;
    bool markers;
};

/* Results that one run writes: the total and, with `per_layer`, one a step. */
static inline uint32_t executor_results(const struct plan *plan, bool per_layer) {
    return 1u + (per_layer ? plan->header->step_count : 0u);
}

/* Runs the plan's steps in order and writes their cycles. */
struct status executor_run(const struct plan *plan, struct run_options options, uint64_t *results);

#endif
