#include "dsp.h"
#include "own.h"
#include "softmax.h"

void own_softmax(const struct plan *plan, const struct plan_step *step) {
    softmax_rows(plan, step);
}
