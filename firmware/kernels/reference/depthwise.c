#include "reference.h"
#include "sums.h"
#include "window.h"

/* DepthwiseConvPerChannel of
 * tensorflow/lite/kernels/internal/reference/integer_ops/depthwise_conv.h. */
void reference_depthwise_conv2d(const struct plan *plan, const struct plan_step *step) {
    const struct plan_step s = *step;
    const struct plan_tensor source = plan->tensors[s.input0], target = plan->tensors[s.output];
    const struct channels channels = channels_of(plan, step);
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
                const int8_t *channel = in + c / s.depth_multiplier;
                int32_t sum = 0;
                for (int32_t i = rows.first; i < rows.end; i++) {
                    const int32_t row = (rows.start + i * s.dilation_h) * source.width;
                    const int32_t column = columns.start + columns.first * s.dilation_w;
                    const int32_t tap = i * s.kernel_w + columns.first;
                    const int8_t *value = channel + (uint32_t)(row + column) * source.channels;
                    const int8_t *weight = weights + (uint32_t)tap * target.channels + c;
                    for (int32_t j = columns.first; j < columns.end; j++) {
                        sum += *weight * (*value - source.zero_point);
                        value += s.dilation_w * source.channels;
                        weight += target.channels;
                    }
                }
                *out++ = channel_output(&channels, c, sum);
            }
        }
    }
}
