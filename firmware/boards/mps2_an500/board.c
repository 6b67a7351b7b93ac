/* QEMU's mps2-an500: a Cortex-M7. Its caches stay off: QEMU has none. */
#include "mps2_board.h"
