/* Filters over windows, four at a time: what convolutions and dense layers consist of. */
#ifndef HWNAS_FLOAT32_PRODUCTS_H
#define HWNAS_FLOAT32_PRODUCTS_H

#include "float32.h"

/* What a window meets of a map, or of a filter: rows of runs of neighbouring elements. */
struct part {
    const float *data;
    uint32_t row; /* elements from row to row */
    uint32_t run; /* and from run to run */
};

/* Filters that meet one window. */
struct filters {
    uint32_t rows, runs, length; /* of both parts */
    struct part window, filter;
    uint32_t count, apart; /* filters, and elements from one to the next */
    struct finish finish;
};

/* Writes what all filters make of the window. */
void filters_over_one(const struct filters *f, float *out);

/* And of four windows, `apart` from each other, as are their outputs. */
void filters_over_four(const struct filters *f, uint32_t apart, float *out, uint32_t out_apart);

#endif
