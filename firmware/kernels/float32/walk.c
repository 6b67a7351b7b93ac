#include "walk.h"

#include "window.h"

struct axis {
    int32_t in_size, out_size;
    int32_t stride, pad, kernel, dilation;
    uint32_t in_pitch, out_pitch; /* elements from one position to the next */
};

static struct taps taps_at(const struct axis *a, int32_t position) {
    return taps_on(a->in_size, position, a->stride, a->pad, a->kernel, a->dilation);
}

static uint32_t count(struct taps taps) {
    return (uint32_t)(taps.end - taps.first);
}

/* Element of the input under the first tap, which must lie on it. */
static uint32_t first_element(const struct axis *a, struct taps taps) {
    return (uint32_t)(taps.start + taps.first * a->dilation) * a->in_pitch;
}

static bool alike(struct taps a, struct taps b) {
    return a.first == b.first && a.end == b.end;
}

static void find_taps(struct place *place, const struct axis *rows, struct taps vertical,
                      const struct axis *columns, struct taps horizontal) {
    place->rows = count(vertical);
    place->columns = count(horizontal);
    if (place->rows == 0 || place->columns == 0) {
        place->rows = place->in = place->tap = 0;
        return;
    }
    place->in = first_element(rows, vertical) + first_element(columns, horizontal);
    place->tap = (uint32_t)(vertical.first * columns->kernel + horizontal.first);
}

void walk(const struct plan *plan, const struct plan_step *step, uint32_t pixels, visitor visit,
          const void *layer) {
    const struct plan_tensor *in = &plan->tensors[step->input0];
    const struct plan_tensor *out = &plan->tensors[step->output];
    const struct axis rows = {
        in->height,       out->height,          step->stride_h,
        step->pad_top,    step->kernel_h,       step->dilation_h,
        in->width * in->channels, out->width * out->channels,
    };
    const struct axis columns = {
        in->width,      out->width,     step->stride_w,   step->pad_left,
        step->kernel_w, step->dilation_w, in->channels, out->channels,
    };
    const bool down = out->height >= out->width;
    const struct axis *along = down ? &rows : &columns, *across = down ? &columns : &rows;
    struct place place = {
        .in_apart = (uint32_t)along->stride * along->in_pitch,
        .out_apart = along->out_pitch,
    };
    for (int32_t y = 0; y < across->out_size; y++) {
        const struct taps other = taps_at(across, y);
        for (int32_t x = 0; x < along->out_size; x += (int32_t)place.pixels) {
            const struct taps taps = taps_at(along, x);
            const int32_t last = x + (int32_t)pixels - 1;
            const bool all = last < along->out_size && alike(taps, taps_at(along, last));
            place.pixels = all ? pixels : 1u;
            place.out = (uint32_t)y * across->out_pitch + (uint32_t)x * along->out_pitch;
            find_taps(&place, &rows, down ? taps : other, &columns, down ? other : taps);
            visit(layer, &place);
        }
    }
}
