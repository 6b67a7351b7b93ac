/* Stands in for src/cortex_m.h: the compiler reads this one first (CMakeLists.txt), and its guard
 * then empties the real one. A reset leaves the firmware and goes back to the fuzz target. */
#ifndef HWNAS_CORTEX_M_H
#define HWNAS_CORTEX_M_H

_Noreturn void core_reset(void);

#endif
