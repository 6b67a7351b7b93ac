"""Branch prediction of a Cortex-M7: what a misprediction costs.

How directions and targets are predicted is counted while the code runs, in
``hwnas/virtual/_native_edges.py``. Arm's manual says no more than that there is a branch target
address cache; its size and its algorithm are not published. ASSUMED are a two-bit counter for each
branch without aliasing, returns whose target is always right, and the last target for other
indirect branches.
"""

from __future__ import annotations

from typing import Final

MISPREDICTED: Final = 8
"""[jnk0le] Cycles of a branch that went the other way, measured on an STM32H743."""
MISPREDICTED_EARLY: Final = 6
"""[jnk0le] The same where the flags were there :data:`FLAGS_BEFORE` cycles before the branch."""
FLAGS_BEFORE: Final = 3


def penalty(branch_at: int | None, flags_at: int | None) -> int:
    """Cycles that a misprediction of a block's branch costs.

    Args:
        branch_at: When the branch issues; ``None`` where a load of several registers branches.
        flags_at: When the block sets the flags last; ``None`` where it does not.
    """
    if branch_at is None:
        return MISPREDICTED
    if flags_at is None or branch_at - flags_at >= FLAGS_BEFORE:
        return MISPREDICTED_EARLY
    return MISPREDICTED
