#include "kernels.h"

int32_t kernels_run(const struct plan *plan, const struct plan_step *step) {
    return plan->kernels->run(plan, step);
}
