"""The Cortex-M4: in order, single issue, three stages.

Sources of the rules, named in brackets beside each:

- TRM: Arm, Cortex-M4 Technical Reference Manual (100166), section 3.3, instruction timing and
  load/store timing.
- GCC: ``gcc/config/arm/cortex-m4.md``, the compiler's model of the pipeline.
- LLVM: ``llvm/lib/Target/ARM/ARMScheduleM4.td``.
- jnk0le: measurements on an STM32F407, github.com/jnk0le/random, ``cortex_m3m4.md``.
- 2025/523: IACR ePrint 2025/523, and compendium.i-0.nl, on runs of unaligned wide instructions.

Which of the optional penalties count was decided by a fit between 0 and 1 on single convolutions
measured on a NUCLEO-F446RE and an nRF52832: every one that stands here went to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from capstone import arm

from hwnas.virtual.timing._base import BlockCost, BlockModel
from hwnas.virtual.timing._instructions import (
    LOADS,
    PAIRS,
    STORES,
    float_cycles,
    memory_of,
    registers_of,
    root_of,
)

_FIXED: Final = {"sdiv": 2, "udiv": 2, "tbb": 3, "tbh": 3}
"""[TRM] divisions take 2 to 12 cycles with their operands: the least is taken. [TRM] table
branches sum to 5 or more with the refill."""


@dataclass(frozen=True, slots=True)
class _Previous:
    """What the instruction before leaves behind; IT instructions are looked through."""

    written: frozenset[int] = frozenset()
    is_load: bool = False
    is_store: bool = False


class CortexM4(BlockModel):
    """Cycles of a Cortex-M4's instructions.

    Example:
        >>> from hwnas.virtual.code import decoder
        >>> block = list(decoder().disasm(bytes.fromhex("0868 4068"), 0x0800_0000))
        >>> CortexM4().block_cost(block).cycles  # ldr r0, [r1]; ldr r0, [r0, #4]
        5
    """

    name: ClassVar[str] = "cortex-m4"
    version: ClassVar[int] = 1
    taken_cycles: ClassVar[float] = 2
    """[TRM] a pipeline refill takes 1 to 3 cycles."""
    unaligned_cycles: ClassVar[float] = 1
    """[TRM] an unaligned read is two accesses."""

    def block_cost(self, instructions: Sequence[Any]) -> BlockCost:
        """Prices a block; see :meth:`BlockModel.block_cost`."""
        cycles = 0
        previous = _Previous()
        wide = 0
        for instruction in instructions:
            # [2025/523] A third wide instruction in a row that straddles a word waits for a
            # fetch; once a run.
            straddles = instruction.size == 4 and instruction.address & 2
            wide = wide + 1 if straddles else 0
            cycles += wide == 3
            root = root_of(instruction)
            if root.startswith("it"):
                # [TRM] one cycle; folding into a 16-bit instruction before it did not show.
                cycles += 1
                continue
            cycles += _cycles(root, instruction, previous)
            previous = _Previous(
                frozenset(instruction.regs_access()[1]), root in LOADS, root in STORES
            )
        return BlockCost(len(instructions), cycles)


def _cycles(root: str, instruction: Any, previous: _Previous) -> int:
    if root in LOADS or root in STORES or root in PAIRS:
        return _access_cycles(root, instruction, previous)
    if root in _FIXED:
        return _FIXED[root]
    if root.startswith(("ldm", "stm")):
        # [TRM] one and one a register: the base stands for the one.
        return len(registers_of(instruction))
    if root in ("push", "pop"):
        return 1 + len(registers_of(instruction))
    # [TRM] everything else takes one, a branch and a predicated-out instruction included.
    return float_cycles(root, instruction)


def _access_cycles(root: str, instruction: Any, previous: _Previous) -> int:
    memory = memory_of(instruction)
    # [TRM, jnk0le] An address that the instruction before computes or loads is a cycle late.
    late = bool(previous.written & {memory.base, memory.index} - {arm.ARM_REG_INVALID})
    if root in PAIRS:
        return 3 + late  # [GCC]
    if root in STORES:
        # [TRM] The write buffer takes a store in one cycle; [GCC, jnk0le] adding up an address
        # takes another, unless it hides behind a load.
        return 1 + (memory.index != arm.ARM_REG_INVALID and not previous.is_load) + late
    # [TRM] Neighbouring loads pipeline, [jnk0le] unless one waits for the other's result;
    # [jnk0le] a load right after a store waits for the store.
    pipelined = previous.is_load and not late
    return (1 if pipelined else 2) + late + previous.is_store
