/* The execution plan, version 1, as docs/plan-format.md lays it down. */
#ifndef HWNAS_PLAN_H
#define HWNAS_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#define PLAN_MAGIC 0x504E5748u
#define PLAN_VERSION 1u
#define PLAN_MAX_TENSORS 1024u
#define PLAN_MAX_STEPS 512u
#define PLAN_NO_TENSOR 0xFFFFu
#define PLAN_ARENA_ALIGNMENT 16u
#define PLAN_CONSTANTS 11
#define PLAN_MAX_INPUTS 11u

enum plan_region { REGION_ARENA = 0, REGION_PARAMETERS = 1 };
enum plan_dtype { DTYPE_INT8 = 0, DTYPE_INT32 = 1, DTYPE_FLOAT32 = 2 };
enum plan_kernel_set { KERNELS_CMSIS_NN = 0, KERNELS_REFERENCE = 1, KERNELS_FLOAT32 = 2 };

enum plan_operator {
    OPERATOR_CONV2D = 1,
    OPERATOR_DEPTHWISE_CONV2D = 2,
    OPERATOR_DENSE = 3,
    OPERATOR_MAX_POOL2D = 4,
    OPERATOR_AVERAGE_POOL2D = 5,
    OPERATOR_GLOBAL_AVERAGE_POOL2D = 6,
    OPERATOR_SOFTMAX = 7,
    OPERATOR_RELU = 8,
    OPERATOR_ADD = 9,
    OPERATOR_SUB = 10,
    OPERATOR_MUL = 11,
    OPERATOR_CONCATENATION = 12,
    OPERATOR_PAD = 13,
    OPERATOR_GLOBAL_MAX_POOL2D = 14,
    OPERATOR_LOGISTIC = 15,
    OPERATOR_TANH = 16,
    OPERATOR_HARD_SWISH = 17,
    OPERATOR_LEAKY_RELU = 18,
    OPERATOR_QUANTIZE = 19,
    OPERATOR_DEQUANTIZE = 20,
    OPERATOR_REQUANTIZE = 21
};
#define PLAN_LAST_OPERATOR OPERATOR_REQUANTIZE

struct plan_header {
    uint32_t magic;
    uint16_t version;
    uint16_t header_bytes;
    uint32_t plan_bytes;
    uint32_t crc32;
    uint32_t arena_bytes;
    uint16_t tensor_count;
    uint16_t step_count;
    uint16_t input_tensor;
    uint16_t output_tensor;
    uint8_t kernel_set;
    uint8_t parameters;
    uint16_t reserved0;
    uint32_t parameter_bytes;
    uint32_t reserved1[3];
};

struct plan_tensor {
    uint8_t region;
    uint8_t dtype;
    uint16_t height;
    uint16_t width;
    uint16_t reserved;
    uint32_t channels;
    uint32_t offset;
    uint32_t bytes;
    int32_t zero_point;
};

struct plan_step {
    uint8_t op;
    uint8_t reserved0;
    uint16_t input0;
    uint16_t input1;
    uint16_t output;
    uint16_t weights;
    uint16_t bias;
    uint16_t multipliers;
    uint16_t shifts;
    uint16_t kernel_h, kernel_w;
    uint16_t stride_h, stride_w;
    uint16_t pad_top, pad_left;
    uint16_t dilation_h, dilation_w;
    uint16_t depth_multiplier;
    uint16_t groups;
    uint32_t scratch_offset;
    uint32_t scratch_bytes;
    int32_t activation_min;
    int32_t activation_max;
    int32_t p[PLAN_CONSTANTS];
};

_Static_assert(sizeof(struct plan_header) == 48, "plan header");
_Static_assert(sizeof(struct plan_tensor) == 24, "plan tensor");
_Static_assert(sizeof(struct plan_step) == 96, "plan step");

/* Constants p of each operator. */
enum { DENSE_MULTIPLIER, DENSE_SHIFT };
/* mul, relu, requantize and global average pooling */
enum { RESCALE_MULTIPLIER, RESCALE_SHIFT };
enum { SOFTMAX_MULTIPLIER, SOFTMAX_SHIFT, SOFTMAX_DIFF_MIN };
enum {
    ADD_LEFT_SHIFT,
    ADD_MULTIPLIER0,
    ADD_SHIFT0,
    ADD_MULTIPLIER1,
    ADD_SHIFT1,
    ADD_OUTPUT_MULTIPLIER,
    ADD_OUTPUT_SHIFT
}; /* add and sub */
enum { JOINED_COUNT, JOINED_AXIS, JOINED_FURTHER };
enum { JOINED_CHANNELS, JOINED_WIDTH, JOINED_HEIGHT }; /* axes */
enum { SIGMOID_RADIUS, SIGMOID_MULTIPLIER, SIGMOID_SHIFT }; /* logistic and tanh */
enum {
    SWISH_OUTPUT_MULTIPLIER,
    SWISH_OUTPUT_SHIFT,
    SWISH_FACTOR_MULTIPLIER,
    SWISH_FACTOR_EXPONENT
};
enum { LEAKY_MULTIPLIER, LEAKY_SHIFT, LEAKY_IDENTITY_MULTIPLIER, LEAKY_IDENTITY_SHIFT };
enum { LEAKY_ALPHA_BITS }; /* leaky_relu of floats */
enum { QUANTIZE_SCALE_BITS }; /* quantize and dequantize */

struct kernel_set;

/* A plan that was checked, with its records and memories at hand. */
struct plan {
    const struct kernel_set *kernels;
    const struct plan_header *header;
    const struct plan_tensor *tensors;
    const struct plan_step *steps;
    uint8_t *arena;
    const uint8_t *parameters;
};

/* Memories that plans may use; `arena_bytes` is what the plan itself leaves of the workspace. */
struct plan_memory {
    uint8_t *arena;
    uint32_t arena_bytes;
    uint32_t workspace_bytes;
    const uint8_t *parameters;
    uint32_t parameter_bytes;
};

static inline bool plan_is_binary(uint8_t op) {
    return op == OPERATOR_ADD || op == OPERATOR_SUB || op == OPERATOR_MUL;
}

/* Fills in the indices of the tensors that a step reads beside its parameters, and returns their
 * number. Nothing of the step need have been checked. */
static inline uint32_t plan_inputs(const struct plan_step *step, uint16_t *inputs) {
    inputs[0] = step->input0;
    inputs[1] = step->input1;
    if (step->op != OPERATOR_CONCATENATION) {
        return plan_is_binary(step->op) ? 2u : 1u;
    }
    uint32_t count = 2;
    while (count < PLAN_MAX_INPUTS && (int32_t)count < step->p[JOINED_COUNT]) {
        const int32_t index = step->p[JOINED_FURTHER + count - 2u];
        inputs[count++] = index >= 0 && index < (int32_t)PLAN_NO_TENSOR ? (uint16_t)index
                                                                       : PLAN_NO_TENSOR;
    }
    return count;
}

static inline const void *plan_data(const struct plan *plan, uint32_t tensor) {
    const struct plan_tensor *t = &plan->tensors[tensor];
    return (t->region == REGION_ARENA ? plan->arena : plan->parameters) + t->offset;
}

#endif
