#include "executor.h"

#include "kernels.h"
#include "markers.h"
#include "timer.h"

static struct status run_steps(const struct plan *plan, struct run_options options,
                               uint64_t *results) {
    const uint32_t steps = plan->header->step_count;
    bool level = true;
    const uint64_t start = timer_cycles();
    uint64_t before = start;
    for (uint32_t i = 0; i < steps; i++) {
        if (options.markers) {
            marker_layer(level);
            level = !level;
        }
        const int32_t code = kernels_run(plan, &plan->steps[i]);
        if (code != 0) {
            return status(STATUS_KERNEL_FAILED, (uint32_t)code, i);
        }
        if (options.per_layer) {
            const uint64_t now = timer_cycles();
            results[1u + i] = now - before;
            before = now;
        }
    }
    results[0] = timer_cycles() - start;
    return status_ok();
}

struct status executor_run(const struct plan *plan, struct run_options options, uint64_t *results) {
    if (options.markers) {
        marker_inference(true);
    }
    const struct status ended = run_steps(plan, options, results);
    if (options.markers) {
        marker_layer(false);
        marker_inference(false);
    }
    return ended;
}
