/* Where a window meets the feature map that it slides over, along one axis. */
#ifndef HWNAS_WINDOW_H
#define HWNAS_WINDOW_H

#include <stdint.h>

/* The taps from `first` up to, without it, `end` lie on the map; tap k does at start + k * dilation,
 * in elements of the axis. */
struct taps {
    int32_t start;
    int32_t first;
    int32_t end;
};

/* Of the window of `count` taps that gives output `out` along an axis of `size` elements. */
static inline struct taps taps_on(int32_t size, int32_t out, int32_t stride, int32_t pad,
                                  int32_t count, int32_t dilation) {
    const int32_t start = out * stride - pad;
    const int32_t first = start < 0 ? (dilation - 1 - start) / dilation : 0;
    const int32_t within = start < size ? (size - start + dilation - 1) / dilation : 0;
    return (struct taps){start, first, within < count ? within : count};
}

#endif
