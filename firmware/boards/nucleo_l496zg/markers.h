/* Marker pins of the NUCLEO-L496ZG; part of the measured code, hence a header. */
#ifndef HWNAS_MARKERS_H
#define HWNAS_MARKERS_H

#include <stdbool.h>

#include "board_facts.h"
#include "stm32l4.h"

static inline void marker_inference(bool high) {
    GPIO_BSRR(HWNAS_MARKER_INFERENCE_PORT) =
        1u << (HWNAS_MARKER_INFERENCE_PIN + (high ? 0u : GPIO_BSRR_RESET_SHIFT));
}

static inline void marker_layer(bool high) {
    GPIO_BSRR(HWNAS_MARKER_LAYER_PORT) =
        1u << (HWNAS_MARKER_LAYER_PIN + (high ? 0u : GPIO_BSRR_RESET_SHIFT));
}

#endif
