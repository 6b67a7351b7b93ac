/* QEMU's mps2-an386: a Cortex-M4. */
#include "mps2_board.h"
