/* Marker pins on an STM32; part of the measured code, hence a header. */
#ifndef HWNAS_MARKERS_H
#define HWNAS_MARKERS_H

#include <stdbool.h>

#include "board_facts.h"
#include "stm32.h"

static inline void marker_inference(bool high) {
    STM32_WRITE_PIN(HWNAS_MARKER_INFERENCE_PORT, HWNAS_MARKER_INFERENCE_PIN, high);
}

static inline void marker_layer(bool high) {
    STM32_WRITE_PIN(HWNAS_MARKER_LAYER_PORT, HWNAS_MARKER_LAYER_PIN, high);
}

#endif
