/* What makes of each int8 element another. There are but 256 of them: from some number of elements
 * on it is faster to compute all 256 and to look up, and then all values take equally long. */
#include "dsp.h"
#include "own.h"
#include "pointwise.h"

#define VALUES 256u
/* Computing all values and looking up costs less from here on, for the cheapest of the kernels. */
#define LEAST_FOR_TABLE 512u

static void look_up(const int8_t *in, int8_t *out, uint32_t count, const int8_t *table) {
    uint32_t i = 0;
    for (; i + 4u <= count; i += 4u) {
        const uint32_t word = read_word(in + i);
        write_word(out + i, pack_bytes(table[word & 0xFFu], table[word >> 8 & 0xFFu],
                                       table[word >> 16 & 0xFFu], table[word >> 24]));
    }
    for (; i < count; i++) {
        out[i] = table[(uint8_t)in[i]];
    }
}

/* Inlined with its function into each kernel. */
static inline __attribute__((always_inline)) void map(const struct plan *plan,
                                                      const struct plan_step *step, function f) {
    const struct plan_tensor *source = &plan->tensors[step->input0];
    const struct pointwise of = pointwise_of(plan, step);
    const int8_t *in = plan_data(plan, step->input0);
    int8_t *out = output_of(plan, step);
    int8_t table[VALUES];
    const bool tabulated = source->bytes >= LEAST_FOR_TABLE;
    if (tabulated) {
        for (uint32_t i = 0; i < VALUES; i++) {
            table[i] = (int8_t)i;
        }
    }
    const int8_t *from = tabulated ? table : in;
    int8_t *to = tabulated ? table : out;
    const uint32_t count = tabulated ? VALUES : source->bytes;
    for (uint32_t i = 0; i < count; i++) {
        to[i] = mapped(from[i], f, &of);
    }
    if (tabulated) {
        look_up(in, out, source->bytes, table);
    }
}

/* relu, relu6 and requantize differ by their bounds, which are in the plan. */
void own_rescale(const struct plan *plan, const struct plan_step *step) {
    map(plan, step, rescaled);
}

void own_leaky_relu(const struct plan *plan, const struct plan_step *step) {
    map(plan, step, leaky);
}

void own_logistic(const struct plan *plan, const struct plan_step *step) {
    map(plan, step, logistic_value);
}

void own_tanh(const struct plan *plan, const struct plan_step *step) {
    map(plan, step, tanh_value);
}

void own_hard_swish(const struct plan *plan, const struct plan_step *step) {
    map(plan, step, hard_swish_value);
}
