#include "products.h"

#define SUMS 4u

/* Four sums of products of `many`, `apart` from each other, with `one`, each added up in the order
 * of TensorFlow Lite's loops. */
static inline __attribute__((always_inline)) void four_sums(const struct filters *f,
                                                            struct part many, uint32_t apart,
                                                            struct part one, float *sums) {
    float s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
    for (uint32_t row = f->rows; row != 0; row--) {
        const float *a = many.data, *b = one.data;
        for (uint32_t run = f->runs; run != 0; run--) {
            const float *a0 = a, *factor = b;
            const float *a1 = a0 + apart, *a2 = a1 + apart, *a3 = a2 + apart;
            const float *end = factor + f->length;
            while (factor != end) {
                const float y = *factor++;
                s0 += *a0++ * y;
                s1 += *a1++ * y;
                s2 += *a2++ * y;
                s3 += *a3++ * y;
            }
            a += many.run;
            b += one.run;
        }
        many.data += many.row;
        one.data += one.row;
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

static float one_sum(const struct filters *f, struct part a, struct part b) {
    float sum = 0.0f;
    for (uint32_t row = f->rows; row != 0; row--) {
        const float *x = a.data, *y = b.data;
        for (uint32_t run = f->runs; run != 0; run--) {
            for (uint32_t i = 0; i < f->length; i++) {
                sum += x[i] * y[i];
            }
            x += a.run;
            y += b.run;
        }
        a.data += a.row;
        b.data += b.row;
    }
    return sum;
}

void filters_over_one(const struct filters *f, float *out) {
    const struct finish finish = f->finish;
    struct part filter = f->filter;
    uint32_t c = 0;
    for (; c + SUMS <= f->count; c += SUMS) {
        float sums[SUMS];
        four_sums(f, filter, f->apart, f->window, sums);
        for (uint32_t i = 0; i < SUMS; i++) {
            out[c + i] = finished(sums[i], &finish, c + i);
        }
        filter.data += SUMS * f->apart;
    }
    for (; c < f->count; c++) {
        out[c] = finished(one_sum(f, f->window, filter), &finish, c);
        filter.data += f->apart;
    }
}

void filters_over_four(const struct filters *f, uint32_t apart, float *out, uint32_t out_apart) {
    const struct finish finish = f->finish;
    struct part filter = f->filter;
    for (uint32_t c = 0; c < f->count; c++) {
        float sums[SUMS];
        four_sums(f, f->window, apart, filter, sums);
        float *to = out + c;
        for (uint32_t i = 0; i < SUMS; i++) {
            *to = finished(sums[i], &finish, c);
            to += out_apart;
        }
        filter.data += f->apart;
    }
}
