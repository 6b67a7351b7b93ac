"""What all counting hooks share, compiled: blocks of code, their rows, and a cache.

All state is one array of 64-bit integers, so that a hook gets everything through one pointer:
a header, two caches, the code's halfwords, a map from code address to row, and the rows.
"""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

# Header: offsets into the array.
CODE_BASE: Final = 0
FLASH_BASE: Final = 1
FLASH_END: Final = 2
HALFWORDS: Final = 3
"""Offset of the code's halfwords, one an element."""
ROW_OF: Final = 4
"""Offset of the map from halfword of code to the first row for that address, 0 for none."""
NEXT_ROW: Final = 5
"""Offset of the next free row."""
ROWS_END: Final = 6
ROW: Final = 7
"""Offset of the row of the block that runs."""
NEXT_PC: Final = 8
"""Address after the block that runs: where the next one starts unless a branch is taken."""
BLOCKS_LEFT: Final = 9
"""Blocks that may still run before emulation stops."""
CPSR: Final = 10
CPSR_POINTER: Final = 11
STOP_FUNCTION: Final = 12
READ_REGISTER_FUNCTION: Final = 13
WRITE_REGISTER_FUNCTION: Final = 14
CPSR_NUMBER: Final = 15
INSTRUCTION_CACHE: Final = 16
DATA_CACHE: Final = 24
ROW_LENGTH: Final = 32
"""Elements of a row."""
COMPILE_FUNCTION: Final = 40
"""Makes the program of a new row's block; 0 where there are none."""
NEXT_PROGRAM: Final = 41
"""Offset of free room for programs."""
PROGRAMS_END: Final = 42
FLASH_POINTER: Final = 43
"""Where flash stands in this process."""
RAM_POINTER: Final = 44
RAM_BASE: Final = 45
RAM_END: Final = 46
STATE_POINTER: Final = 47
"""Where all of this stands in this process."""
LAST_ROW: Final = 48
"""The row of the block that ran last, 0 where caches or registers changed since."""
UNTOLD: Final = 49
"""Accesses whose address a program could not tell."""
WATCH: Final = 63
"""Where the array of ``_native_calls.py`` stands in this process."""
VALUES: Final = 64
"""The slots of programs, see ``_native_accesses.py``."""
HEADER: Final = 128

# A cache in the header: offsets from its start.
LINES: Final = 0
"""Number of lines; 0 for a cache that is not modelled."""
SHIFT: Final = 1
FIRST_LINE: Final = 2
LAST_LINE: Final = 3
"""The line touched last."""
SLOT_OF: Final = 4
"""Offset of the map from memory line to its slot, 0 for none."""
SLOTS: Final = 5
"""Offset of the slots, two elements each: time of last use, and offset of its map entry."""
CLOCK: Final = 6

# A row: offsets from its start.
ADDRESS: Final = 0
SIZE: Final = 1
NEXT: Final = 2
"""Offset of the next row with this address and another size, 0 for none."""
FLAGS: Final = 3
COUNT: Final = 4
TAKEN: Final = 5
INSTRUCTION_LINES: Final = 6
FLASH_READS: Final = 7
DATA_LINES: Final = 8
UNALIGNED: Final = 9
RAM_LINES: Final = 10
PROGRAM: Final = 11
"""Offset of the block's program, 0 for none."""
EVENTS_END: Final = 11
ROW_SIZE: Final = 12

HAS_IT: Final = 1
STARTS_IN_IT: Final = 2
ENDS_IN_IT: Final = 4

_IT_STATE: Final = 0x0600_FC00


@intrinsic  # type: ignore[untyped-decorator]
def _stop(typing_context: Any, function: Any, engine: Any) -> Any:
    """Calls ``uc_emu_stop``."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [values[1].type])
        return builder.call(builder.inttoptr(values[0], kind.as_pointer()), [values[1]])

    return types.int32(types.int64, types.voidptr), generate


@intrinsic  # type: ignore[untyped-decorator]
def _register(typing_context: Any, function: Any, engine: Any, number: Any, cell: Any) -> Any:
    """Calls ``uc_reg_read`` or ``uc_reg_write``."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.IntType(32), [values[1].type, ir.IntType(32), pointer])
        return builder.call(
            builder.inttoptr(values[0], kind.as_pointer()),
            [
                values[1],
                builder.trunc(values[2], ir.IntType(32)),
                builder.inttoptr(values[3], pointer),
            ],
        )

    return types.int32(types.int64, types.voidptr, types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def _compile(typing_context: Any, function: Any, row: Any) -> Any:
    """Has the program of a row's block made."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(64)])
        builder.call(builder.inttoptr(values[0], kind.as_pointer()), [values[1]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


def _python_touch(s: Any, cache: int, line: int) -> int:
    """Uses a line of a fully associative cache with LRU replacement; 1 where it was missing."""
    if line == s[cache + LAST_LINE]:
        return 0
    s[cache + LAST_LINE] = line
    s[cache + CLOCK] += 1
    entry = s[cache + SLOT_OF] + line - s[cache + FIRST_LINE]
    slot = s[entry]
    miss = 0
    if slot == 0:
        miss = 1
        slot = s[cache + SLOTS]
        for i in range(1, s[cache + LINES]):
            other = s[cache + SLOTS] + 2 * i
            if s[other] < s[slot]:
                slot = other
        if s[slot + 1] != 0:
            s[s[slot + 1]] = 0
        s[slot + 1] = entry
        s[entry] = slot
    s[slot] = s[cache + CLOCK]
    return miss


touch = njit(_python_touch)


def _python_flags(s: Any, first: int, size: int, in_it: int) -> int:
    """Whether a block starts in, holds and ends in an IT block; ``first`` is its halfword."""
    flags = HAS_IT | STARTS_IN_IT if in_it else 0
    # How many conditional instructions the block before left over is not kept; at most three.
    left = 3 if in_it else 0
    at = first
    while at < first + size // 2:
        word = s[at]
        if (word & 0xFF00) == 0xBF00 and (word & 0xF) != 0:
            flags |= HAS_IT
            if word & 1:
                left = 4
            elif word & 2:
                left = 3
            elif word & 4:
                left = 2
            else:
                left = 1
            at += 1
            continue
        at += 2 if (word >> 11) >= 0x1D else 1
        if left > 0:
            left -= 1
    if left > 0:
        flags |= ENDS_IN_IT
    return flags


_flags = njit(_python_flags)


def _python_add_row(s: Any, pc: int, size: int) -> int:
    """A new row at the head of its address's chain; 0 where there is no room."""
    row = s[NEXT_ROW]
    if row + s[ROW_LENGTH] > s[ROWS_END]:
        return 0
    s[NEXT_ROW] = row + s[ROW_LENGTH]
    half = (pc - s[CODE_BASE]) >> 1
    before = s[ROW]
    in_it = s[NEXT_PC] == pc and before != 0 and (s[before + FLAGS] & ENDS_IN_IT) != 0
    s[row + ADDRESS] = pc
    s[row + SIZE] = size
    s[row + NEXT] = s[s[ROW_OF] + half]
    s[row + FLAGS] = _flags(s, s[HALFWORDS] + half, size, in_it)
    s[s[ROW_OF] + half] = row
    return int(row)


_add_row = njit(_python_add_row)


def _python_enter(engine: Any, pc: int, size: int, s: Any) -> int:
    """Counts an execution of a block; its row, or 0 where emulation has to stop before it."""
    row = s[s[ROW_OF] + ((pc - s[CODE_BASE]) >> 1)]
    while row != 0 and s[row + SIZE] != size:
        row = s[row + NEXT]
    if row == 0:
        row = _add_row(s, pc, size)
        if row == 0:
            s[BLOCKS_LEFT] = 0
            _stop(s[STOP_FUNCTION], engine)
            return 0
        if s[COMPILE_FUNCTION] != 0:
            _compile(s[COMPILE_FUNCTION], row)
    # Stopping here leaves the block unexecuted and uncounted, so a stop changes no count. Inside
    # an IT block the emulator would lose the IT state.
    if s[BLOCKS_LEFT] <= 0 and (s[row + FLAGS] & STARTS_IN_IT) == 0:
        _stop(s[STOP_FUNCTION], engine)
        return 0
    s[BLOCKS_LEFT] -= 1
    s[row + COUNT] += 1
    if s[NEXT_PC] != pc:
        s[row + TAKEN] += 1
    return int(row)


enter = njit(_python_enter)


def _python_clear_it(engine: Any, s: Any) -> None:
    """Mends what a hook on a memory access breaks.

    To call it, Unicorn 2.1 restores the core's state from the translated block, and leaves the IT
    state set behind it: the next block would run conditionally.
    """
    if s[s[ROW] + FLAGS] & HAS_IT:
        _register(s[READ_REGISTER_FUNCTION], engine, s[CPSR_NUMBER], s[CPSR_POINTER])
        s[CPSR] &= ~_IT_STATE
        _register(s[WRITE_REGISTER_FUNCTION], engine, s[CPSR_NUMBER], s[CPSR_POINTER])


clear_it = njit(_python_clear_it)


STATE: Final = types.CPointer(types.int64)
BLOCK_HOOK: Final = types.void(types.voidptr, types.int64, types.int32, STATE)
MEMORY_HOOK: Final = types.void(
    types.voidptr, types.int32, types.int64, types.int32, types.int64, STATE
)
