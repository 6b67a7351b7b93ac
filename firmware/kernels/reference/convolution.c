#include "reference.h"
#include "sums.h"
#include "window.h"

/* ConvPerChannel of tensorflow/lite/kernels/internal/reference/integer_ops/conv.h. Step and tensors
 * are copied: the output might be the plan, for all the compiler knows. */
void reference_conv2d(const struct plan *plan, const struct plan_step *step) {
    const struct plan_step s = *step;
    const struct plan_tensor source = plan->tensors[s.input0], target = plan->tensors[s.output];
    const struct channels channels = channels_of(plan, step);
    const uint32_t depth = source.channels / s.groups, filters = target.channels / s.groups;
    const int8_t *in = plan_data(plan, s.input0);
    const int8_t *weights = plan_data(plan, s.weights);
    int8_t *out = output_of(plan, step);
    for (int32_t y = 0; y < target.height; y++) {
        const struct taps rows =
            taps_on(source.height, y, s.stride_h, s.pad_top, s.kernel_h, s.dilation_h);
        for (int32_t x = 0; x < target.width; x++) {
            const struct taps columns =
                taps_on(source.width, x, s.stride_w, s.pad_left, s.kernel_w, s.dilation_w);
            for (uint32_t c = 0; c < target.channels; c++) {
                const int8_t *group = in + c / filters * depth;
                int32_t sum = 0;
                for (int32_t i = rows.first; i < rows.end; i++) {
                    const int32_t row = (rows.start + i * s.dilation_h) * source.width;
                    const uint32_t taps = (c * s.kernel_h + (uint32_t)i) * s.kernel_w;
                    for (int32_t j = columns.first; j < columns.end; j++) {
                        const uint32_t pixel = (uint32_t)(row + columns.start + j * s.dilation_w);
                        sum += sum_of_products(group + pixel * source.channels, source.zero_point,
                                               weights + (taps + (uint32_t)j) * depth, depth);
                    }
                }
                *out++ = channel_output(&channels, c, sum);
            }
        }
    }
}
