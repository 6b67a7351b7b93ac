#include "stm32f4.h"
/* The family first: it says where the ports are. */
#include "stm32_markers.h"
