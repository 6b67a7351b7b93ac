/* Walks a window over a feature map. */
#ifndef HWNAS_FLOAT32_WALK_H
#define HWNAS_FLOAT32_WALK_H

#include "plan.h"

/* Where windows stand: one, or several in a line that meet the map with the same taps. */
struct place {
    uint32_t rows, columns; /* taps of the window that lie on the map; none where rows is 0 */
    uint32_t in;            /* element of the map under the first of these, channel 0 */
    uint32_t tap;           /* number of that tap, counted over the whole window */
    uint32_t out;           /* element of the output, channel 0 */
    uint32_t pixels;        /* 1, or as many as were asked for */
    uint32_t in_apart, out_apart; /* elements from one of them to the next */
};

typedef void (*visitor)(const void *layer, const struct place *place);

/* Visits all pixels of the output, `pixels` at a time wherever so many in a line have the same
 * taps. Lines follow the longer side, so that most do. */
void walk(const struct plan *plan, const struct plan_step *step, uint32_t pixels, visitor visit,
          const void *layer);

#endif
