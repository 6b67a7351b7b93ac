/* Marker pins on an nRF52; part of the measured code, hence a header. */
#ifndef HWNAS_MARKERS_H
#define HWNAS_MARKERS_H

#include <stdbool.h>

#include "board_facts.h"
#include "nrf52.h"

static inline void marker_inference(bool high) {
    NRF52_WRITE_PIN(HWNAS_MARKER_INFERENCE_PORT, HWNAS_MARKER_INFERENCE_PIN, high);
}

static inline void marker_layer(bool high) {
    NRF52_WRITE_PIN(HWNAS_MARKER_LAYER_PORT, HWNAS_MARKER_LAYER_PIN, high);
}

#endif
