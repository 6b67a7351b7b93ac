#include "stm32l5.h"
/* The family first: it says where the ports are. */
#include "stm32_markers.h"
