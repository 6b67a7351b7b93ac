#include "no_markers.h"
