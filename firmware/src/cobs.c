#include "cobs.h"

#define LONGEST_RUN 254u

int32_t cobs_decode(uint8_t *data, size_t size) {
    size_t in = 0, out = 0;
    while (in < size) {
        const uint8_t code = data[in++];
        const size_t run = code - 1u;
        if (code == 0 || run > size - in) {
            return -1;
        }
        for (size_t i = 0; i < run; i++) {
            if (data[in] == 0) {
                return -1;
            }
            data[out++] = data[in++];
        }
        if (run < LONGEST_RUN && in < size) {
            data[out++] = 0;
        }
    }
    return (int32_t)out;
}

void cobs_send(const uint8_t *data, size_t size, void (*send)(uint8_t)) {
    size_t start = 0;
    for (;;) {
        size_t run = 0;
        while (run < LONGEST_RUN && start + run < size && data[start + run] != 0) {
            run++;
        }
        send((uint8_t)(run + 1u));
        for (size_t i = 0; i < run; i++) {
            send(data[start + i]);
        }
        start += run;
        if (start >= size) {
            return;
        }
        if (run < LONGEST_RUN) {
            start++; /* the zero that the code stands for */
        }
    }
}
