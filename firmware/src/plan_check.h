/* Whether a plan may run. Whatever bytes come, only what passes here is ever executed. */
#ifndef HWNAS_PLAN_CHECK_H
#define HWNAS_PLAN_CHECK_H

#include "plan.h"
#include "status.h"

/* Checks `size` bytes, aligned to 4, and fills `plan` where they are a plan that can run. */
struct status plan_check(const void *bytes, uint32_t size, const struct plan_memory *memory,
                         struct plan *plan);

#endif
