#include <float.h>

#include "float32.h"
#include "walk.h"

/* Channels that are taken at a time. */
#define LANES 4u

struct pool {
    const float *in;
    float *out;
    uint32_t in_row, channels; /* elements from row to row and from pixel to pixel */
    struct bounds bounds;
};

/* How a pool combines what its window holds. */
struct way {
    float start;
    float (*combine)(float so_far, float x);
    float divisor;
};

/* Some neighbouring channels. */
static inline __attribute__((always_inline)) void run(const struct pool *p,
                                                      const struct place *place, uint32_t channel,
                                                      uint32_t lanes, struct way way) {
    const uint32_t pixel = p->channels, columns = place->columns;
    const struct bounds bounds = p->bounds;
    const float *in_row = p->in + place->in + channel;
    float values[LANES];
    for (uint32_t i = 0; i < lanes; i++) {
        values[i] = way.start;
    }
    for (uint32_t y = place->rows; y != 0; y--) {
        const float *in = in_row;
        for (uint32_t x = columns; x != 0; x--) {
            for (uint32_t i = 0; i < lanes; i++) {
                values[i] = way.combine(values[i], in[i]);
            }
            in += pixel;
        }
        in_row += p->in_row;
    }
    float *out = p->out + place->out + channel;
    for (uint32_t i = 0; i < lanes; i++) {
        out[i] = within(values[i] / way.divisor, bounds);
    }
}

/* Inlined with its way into each kernel. */
static inline __attribute__((always_inline)) void pool(const struct pool *p,
                                                       const struct place *place, struct way way) {
    uint32_t c = 0;
    for (; c + LANES <= p->channels; c += LANES) {
        run(p, place, c, LANES, way);
    }
    for (; c < p->channels; c++) {
        run(p, place, c, 1, way);
    }
}

static inline float larger(float largest, float x) {
    return x > largest ? x : largest;
}

static void visit_for_largest(const void *layer, const struct place *place) {
    pool(layer, place, (struct way){-FLT_MAX, larger, 1.0f});
}

static inline float add(float sum, float x) {
    return sum + x;
}

static void visit_for_average(const void *layer, const struct place *place) {
    pool(layer, place, (struct way){0.0f, add, (float)(place->rows * place->columns)});
}

static struct pool pool_of(const struct plan *plan, const struct plan_step *step) {
    const struct plan_tensor *in = &plan->tensors[step->input0];
    return (struct pool){
        .in = plan_data(plan, step->input0),
        .out = output_of(plan, step),
        .in_row = in->width * in->channels,
        .channels = in->channels,
        .bounds = bounds_of(step),
    };
}

/* MaxPool of tensorflow/lite/kernels/internal/reference/pooling.h. */
void float32_max_pool2d(const struct plan *plan, const struct plan_step *step) {
    const struct pool p = pool_of(plan, step);
    walk(plan, step, 1, visit_for_largest, &p);
}

/* AveragePool of the same file. */
void float32_average_pool2d(const struct plan *plan, const struct plan_step *step) {
    const struct pool p = pool_of(plan, step);
    walk(plan, step, 1, visit_for_average, &p);
}

static struct place whole_map(const struct plan *plan, const struct plan_step *step) {
    const struct plan_tensor *in = &plan->tensors[step->input0];
    return (struct place){.rows = in->height, .columns = in->width};
}

/* ReduceGeneric, for the maximum, of tensorflow/lite/kernels/internal/reference/reduce.h. */
void float32_global_max_pool2d(const struct plan *plan, const struct plan_step *step) {
    const struct pool p = pool_of(plan, step);
    const struct place place = whole_map(plan, step);
    visit_for_largest(&p, &place);
}

/* Mean of the same file. */
void float32_global_average_pool2d(const struct plan *plan, const struct plan_step *step) {
    const struct pool p = pool_of(plan, step);
    const struct place place = whole_map(plan, step);
    visit_for_average(&p, &place);
}
