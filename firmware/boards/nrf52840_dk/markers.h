#include "nrf52_markers.h"
