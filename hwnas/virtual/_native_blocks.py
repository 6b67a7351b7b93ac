"""The counting hooks of cores whose blocks have prices, compiled."""

from __future__ import annotations

from typing import Any, Final

from numba import njit

from hwnas.virtual._compiled import compiled
from hwnas.virtual._native import (
    BLOCK_HOOK,
    DATA_CACHE,
    DATA_LINES,
    FLASH_BASE,
    FLASH_END,
    FLASH_READS,
    INSTRUCTION_CACHE,
    INSTRUCTION_LINES,
    LAST_ROW,
    LINES,
    MEMORY_HOOK,
    NEXT_PC,
    PROGRAM,
    ROW,
    SHIFT,
    UNALIGNED,
    UNTOLD,
    clear_it,
    enter,
    touch,
)
from hwnas.virtual._native_accesses import (
    ENTRIES,
    ENTRY_SIZE,
    FIRST_ENTRY,
    READ,
    STEP_SIZE,
    STEPS,
    TARGET,
    UNKNOWN,
    add_up,
    begin,
    make,
)


def _python_read(s: Any, row: int, address: int, size: int) -> None:
    """Counts a read of data."""
    if address & (size - 1):
        s[row + UNALIGNED] += 1
    if s[FLASH_BASE] <= address < s[FLASH_END]:
        s[row + FLASH_READS] += 1
        if s[DATA_CACHE + LINES] > 0:
            s[row + DATA_LINES] += touch(s, DATA_CACHE, address >> s[DATA_CACHE + SHIFT])


_read = njit(_python_read)


def _python_run_program(engine: Any, s: Any, row: int, again: bool) -> None:
    """Counts the reads of a block that is entered."""
    program = s[row + PROGRAM]
    begin(engine, s, program, again)
    step = program + FIRST_ENTRY + ENTRY_SIZE * s[program + ENTRIES]
    end = step + STEP_SIZE * s[program + STEPS]
    while step < end:
        value = add_up(s, step)
        if s[step] == READ:
            _read(s, row, value, s[step + TARGET])
        elif s[step] == UNKNOWN:
            s[UNTOLD] += 1
        else:
            make(s, step, value)
        step += STEP_SIZE


_run_program = njit(_python_run_program)


def _on_block(engine: Any, pc: int, size: int, s: Any) -> None:
    row = enter(engine, pc, size, s)
    if row == 0:
        return
    again = s[LAST_ROW] == row
    s[ROW] = s[LAST_ROW] = row
    s[NEXT_PC] = pc + size
    if s[INSTRUCTION_CACHE + LINES] > 0:
        shift = s[INSTRUCTION_CACHE + SHIFT]
        first, last = pc >> shift, (pc + size - 1) >> shift
        # Lines that all fit are there when they are used again, and again in the same order.
        if not again or last - first >= s[INSTRUCTION_CACHE + LINES]:
            for line in range(first, last + 1):
                s[row + INSTRUCTION_LINES] += touch(s, INSTRUCTION_CACHE, line)
    if s[row + PROGRAM] != 0:
        _run_program(engine, s, row, again)


def _on_read(engine: Any, kind: int, address: int, size: int, value: int, s: Any) -> None:
    _read(s, s[ROW], address, size)
    clear_it(engine, s)


ON_BLOCK: Final = compiled(BLOCK_HOOK)(_on_block)
ON_ACCESS: Final = compiled(MEMORY_HOOK)(_on_read)
