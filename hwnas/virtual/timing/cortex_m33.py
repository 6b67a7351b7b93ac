"""The Cortex-M33: in order, single issue, results of some instructions a cycle late. Exploratory.

Sources of the rules, named in brackets beside each:

- jnk0le: measurements, github.com/jnk0le/random, ``cortex_m33.md``.
- slothy: the notes on the Cortex-M33 in github.com/slothy-optimizer/slothy.
- M4: taken over from the Cortex-M4; not validated.

The model was compared with one board, a NUCLEO-L552ZE at 80 MHz. A fit with every penalty free gave
0.91 cycles for the use of a loaded value, 1.00 for that of other late results, 1.92 for a taken
branch, 0.49 for an IT instruction and nothing for folded 16-bit branches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
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

_MULTIPLICATIONS: Final = ("mul", "mla", "mls", "smla", "smul", "smml", "umull", "umla")
_LONG_ACCUMULATIONS: Final = ("smlal", "smlsl", "umlal", "umaal")
_LATE_ARITHMETIC: Final = (
    "pkh", "sxta", "uxta", "sxtb16", "uxtb16", "qadd", "qsub", "sadd", "ssub", "ssat", "usat",
)  # fmt: skip
_DIVISION_CYCLES: Final = 6


class _Late(Enum):
    """Results that the next instruction must wait a cycle for."""

    LOAD = auto()
    MULTIPLICATION = auto()
    ARITHMETIC = auto()


@dataclass(frozen=True, slots=True)
class _Previous:
    """What the instruction before leaves behind; IT instructions are looked through."""

    written: frozenset[int] = frozenset()
    late: _Late | None = None


class CortexM33(BlockModel):
    """Cycles of a Cortex-M33's instructions.

    Example:
        >>> from hwnas.virtual.code import decoder
        >>> block = list(decoder().disasm(bytes.fromhex("0868 0130"), 0x0800_0000))
        >>> CortexM33().block_cost(block).cycles  # ldr r0, [r1]; adds r0, #1
        3
    """

    name: ClassVar[str] = "cortex-m33"
    version: ClassVar[int] = 1
    taken_cycles: ClassVar[float] = 2
    """[jnk0le] the pipeline refills; the free fit gave 1.92."""
    unaligned_cycles: ClassVar[float] = 1
    """[M4] an unaligned read is two accesses."""

    def block_cost(self, instructions: Sequence[Any]) -> BlockCost:
        """Prices a block; see :meth:`BlockModel.block_cost`."""
        cycles = 0
        previous = _Previous()
        for instruction in instructions:
            root = root_of(instruction)
            late = _late_result(root, instruction)
            cycles += _waits(root, instruction, previous)
            if root.startswith("it"):
                continue  # [slothy] issues beside the instruction after it.
            cycles += _cycles(root, instruction)
            written = frozenset(instruction.regs_access()[1]) - {arm.ARM_REG_CPSR}
            previous = _Previous(written, late)
        return BlockCost(len(instructions), cycles)


def _cycles(root: str, instruction: Any) -> int:
    if root in PAIRS:
        return 2  # [jnk0le]
    if root.startswith(("ldm", "stm")):
        return len(registers_of(instruction)) - 1  # [jnk0le] one a register.
    if root in ("push", "pop"):
        return len(registers_of(instruction))
    if root in ("sdiv", "udiv"):
        return _DIVISION_CYCLES  # [jnk0le] varies with the operands; not validated.
    # [M4] floating point; [jnk0le] everything else takes one cycle.
    return float_cycles(root, instruction)


def _late_result(root: str, instruction: Any) -> _Late | None:
    """[jnk0le, slothy] Which results are there after two cycles, not one."""
    if root in LOADS or root == "ldrd":
        return _Late.LOAD
    if root.startswith(_MULTIPLICATIONS):
        return _Late.MULTIPLICATION
    if root.startswith(_LATE_ARITHMETIC) or _shifts_an_operand(instruction):
        return _Late.ARITHMETIC
    return None


def _shifts_an_operand(instruction: Any) -> bool:
    return any(x.type == arm.ARM_OP_REG and x.shift.value for x in instruction.operands)


def _waits(root: str, instruction: Any, previous: _Previous) -> bool:
    """Whether the instruction needs a late result of the one before, right away."""
    if previous.late is None:
        return False
    # Capstone does not tell that packing, extending sums and saturation read their last operand, so
    # none of them waits for it: the board's `fread` was fitted that way.
    needed = previous.written & frozenset(instruction.regs_access()[0])
    if root in STORES and previous.late is _Late.LOAD:
        memory = memory_of(instruction)
        needed &= {memory.base, memory.index}  # [slothy] stored data may come late.
    return bool(needed - _accumulators(root, instruction))


def _accumulators(root: str, instruction: Any) -> frozenset[int]:
    """[slothy] What a multiplication adds to is needed a cycle later than its factors."""
    registers = registers_of(instruction)
    if root.startswith(_LONG_ACCUMULATIONS):
        return frozenset(registers[:2]) - frozenset(registers[2:])
    if root.startswith(("mla", "mls", "smla", "smml")):
        return frozenset(registers[3:]) - frozenset(registers[1:3])
    return frozenset()
