/* Pooling over windows. */
#include "fixed_point.h"
#include "reference.h"
#include "window.h"

/* What a window makes of the values of a channel: `first`, then every one of them in turn, then the
 * end. */
struct reduction {
    int32_t first;
    int32_t (*next)(int32_t so_far, int32_t value);
    int32_t (*result)(int32_t reduced, int32_t count);
};

/* Inlined with its reduction into each kernel. */
static inline __attribute__((always_inline)) void pool(const struct plan *plan,
                                                       const struct plan_step *step,
                                                       struct reduction by) {
    const struct plan_step s = *step;
    const struct plan_tensor source = plan->tensors[s.input0], target = plan->tensors[s.output];
    const int8_t *in = plan_data(plan, s.input0);
    int8_t *out = output_of(plan, step);
    for (int32_t y = 0; y < target.height; y++) {
        const struct taps rows = taps_on(source.height, y, s.stride_h, s.pad_top, s.kernel_h, 1);
        for (int32_t x = 0; x < target.width; x++) {
            const struct taps columns =
                taps_on(source.width, x, s.stride_w, s.pad_left, s.kernel_w, 1);
            const int32_t count = (rows.end - rows.first) * (columns.end - columns.first);
            for (uint32_t c = 0; c < target.channels; c++) {
                int32_t reduced = by.first;
                for (int32_t i = rows.first; i < rows.end; i++) {
                    const int32_t row = (rows.start + i) * source.width;
                    for (int32_t j = columns.first; j < columns.end; j++) {
                        const uint32_t pixel = (uint32_t)(row + columns.start + j);
                        reduced = by.next(reduced, in[pixel * source.channels + c]);
                    }
                }
                *out++ = (int8_t)clamp(by.result(reduced, count), s.activation_min,
                                       s.activation_max);
            }
        }
    }
}

static inline int32_t larger(int32_t so_far, int32_t value) {
    return value > so_far ? value : so_far;
}

static inline int32_t largest(int32_t reduced, int32_t count) {
    (void)count;
    return reduced;
}

/* MaxPool of tensorflow/lite/kernels/internal/reference/integer_ops/pooling.h. */
void reference_max_pool2d(const struct plan *plan, const struct plan_step *step) {
    pool(plan, step, (struct reduction){INT8_MIN, larger, largest});
}

static inline int32_t added(int32_t so_far, int32_t value) {
    return so_far + value;
}

/* Rounded half away from zero. */
static inline int32_t mean(int32_t sum, int32_t count) {
    return (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
}

/* AveragePool of the same file. */
void reference_average_pool2d(const struct plan *plan, const struct plan_step *step) {
    pool(plan, step, (struct reduction){0, added, mean});
}
