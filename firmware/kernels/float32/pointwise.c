/* What makes of each element another. */
#include "float32.h"
#include "power.h"

/* A copy of what a function needs: the output might be the plan, for all the compiler knows. */
struct pointwise {
    struct bounds bounds;
    float alpha;
};

typedef float (*function)(float x, const struct pointwise *of);

/* Inlined with its function into each kernel. */
static inline __attribute__((always_inline)) void map(const struct plan *plan,
                                                      const struct plan_step *step, function f) {
    struct pointwise of = {.bounds = bounds_of(step)};
    memcpy(&of.alpha, &step->p[LEAKY_ALPHA_BITS], sizeof of.alpha);
    const float *in = plan_data(plan, step->input0);
    float *out = output_of(plan, step);
    for (uint32_t left = elements_of(plan, step->output); left != 0; left--) {
        *out++ = f(*in++, &of);
    }
}

static inline float bounded(float x, const struct pointwise *of) {
    return within(x, of->bounds);
}

/* ReluFloat and Relu6Float of tensorflow/lite/micro/kernels/activations_common.cc; relu6 differs by
 * its bounds, which are in the plan. */
void float32_relu(const struct plan *plan, const struct plan_step *step) {
    map(plan, step, bounded);
}

static inline float leaky(float x, const struct pointwise *of) {
    return x > 0.0f ? x : x * of->alpha;
}

/* LeakyRelu of tensorflow/lite/kernels/internal/reference/leaky_relu.h. */
void float32_leaky_relu(const struct plan *plan, const struct plan_step *step) {
    map(plan, step, leaky);
}

static inline float swish(float x, const struct pointwise *of) {
    (void)of;
    return x * within(x + 3.0f, (struct bounds){0.0f, 6.0f}) / 6.0f;
}

/* HardSwish of tensorflow/lite/kernels/internal/reference/hard_swish.h. */
void float32_hard_swish(const struct plan *plan, const struct plan_step *step) {
    map(plan, step, swish);
}

static inline float logistic(float x, const struct pointwise *of) {
    (void)of;
    const float power = exponential(-__builtin_fabsf(x));
    /* TensorFlow Lite leaves the 1 out below -9. */
    const float divisor = x < -9.0f ? 1.0f : 1.0f + power;
    return (x < 0.0f ? power : 1.0f) / divisor;
}

/* Logistic of tensorflow/lite/kernels/internal/reference/logistic.h. */
void float32_logistic(const struct plan *plan, const struct plan_step *step) {
    map(plan, step, logistic);
}

static inline float hyperbolic_tangent(float x, const struct pointwise *of) {
    (void)of;
    const float twice = 2.0f * __builtin_fabsf(x);
    /* The quotient is 1 from 18 on. */
    const float power = exponential_less_one(twice > 40.0f ? 40.0f : twice);
    return __builtin_copysignf(power / (power + 2.0f), x);
}

/* Tanh of tensorflow/lite/kernels/internal/reference/tanh.h. */
void float32_tanh(const struct plan *plan, const struct plan_step *step) {
    map(plan, step, hyperbolic_tangent);
}
