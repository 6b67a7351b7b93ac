/* The marker pins that energy meters listen to, by the chip's WRITE_PIN; nothing where the board's file names
 * none, as for QEMU's machines. Part of the measured code, hence a header. */
#ifndef HWNAS_MARKERS_H
#define HWNAS_MARKERS_H

#include <stdbool.h>

#include "board_facts.h"

#ifdef HWNAS_MARKER_INFERENCE_PORT
#include HWNAS_CHIP_HEADER
#else
#define WRITE_PIN(port, pin, high) ((void)(high))
#endif

static inline void marker_inference(bool high) {
    WRITE_PIN(HWNAS_MARKER_INFERENCE_PORT, HWNAS_MARKER_INFERENCE_PIN, high);
}

static inline void marker_layer(bool high) {
    WRITE_PIN(HWNAS_MARKER_LAYER_PORT, HWNAS_MARKER_LAYER_PIN, high);
}

#endif
