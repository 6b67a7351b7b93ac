"""The counting hooks of cores whose edges have prices, compiled.

The state is laid out as in ``_native.py``, with longer rows and with edges behind them. The first
row stands for what ran before anything.
"""

from __future__ import annotations

from typing import Any, Final

from numba import njit

from hwnas.virtual._compiled import compiled
from hwnas.virtual._native import (
    BLOCK_HOOK,
    BLOCKS_LEFT,
    CODE_BASE,
    DATA_CACHE,
    DATA_LINES,
    FLASH_BASE,
    FLASH_END,
    FLASH_READS,
    HALFWORDS,
    INSTRUCTION_CACHE,
    INSTRUCTION_LINES,
    LAST_ROW,
    MEMORY_HOOK,
    NEXT_PC,
    PROGRAM,
    RAM_LINES,
    ROW,
    ROW_SIZE,
    SHIFT,
    STOP_FUNCTION,
    UNALIGNED,
    UNTOLD,
    _stop,
    clear_it,
    enter,
)
from hwnas.virtual._native_accesses import (
    ENTRIES,
    ENTRY_SIZE,
    FIRST_ENTRY,
    OTHER,
    STEP_SIZE,
    STEPS,
    TARGET,
    UNKNOWN,
    WRITE,
    add_up,
    begin,
    make,
)

# Header, behind what all hooks share.
NEXT_EDGE: Final = 33
"""Offset of the next free edge."""
EDGES_END: Final = 34
ORDINAL: Final = 35
"""Accesses of the block that runs, so far."""
LAST_ADDRESS: Final = 36
COUPLED_BASE: Final = 37
COUPLED_END: Final = 38
MEMORY_END: Final = 39
"""Start of the peripherals, whose accesses are not counted."""

# A cache in the header, where ``_native.py`` has other fields.
WAYS: Final = 0
SET_MASK: Final = 2
LAST_LINE: Final = 3
TAGS: Final = 4
"""Offset of the lines that are held, the most recently used way of each set first."""

# A row, behind what all hooks share.
DIRECTION: Final = ROW_SIZE
"""The branch predictor's two-bit counter."""
LAST_TARGET: Final = ROW_SIZE + 1
"""Where the branch went last."""
ENDING: Final = ROW_SIZE + 2
"""How the block ends: 0 while that is not known, :data:`NO_RETURN` or :data:`RETURN`."""
FIRST_EDGE: Final = ROW_SIZE + 3
LAST_EDGE: Final = ROW_SIZE + 4
"""The edge that was taken last."""
PAIRS: Final = ROW_SIZE + 5
"""How often each access came behind another one of its block, from the second access on."""
ORDINALS: Final = 48
"""Accesses of a block for which banks are compared."""
SAME_BANK: Final = PAIRS + ORDINALS
"""How often both of them used the same bank."""
EDGE_ROW_SIZE: Final = SAME_BANK + ORDINALS

# An edge: offsets from its start.
FROM: Final = 0
TO: Final = 1
NEXT_FROM: Final = 2
"""Offset of the next edge from the same block, 0 for none."""
TIMES: Final = 3
MISPREDICTED: Final = 4
EDGE_SIZE: Final = 5

NO_RETURN: Final = 1
RETURN: Final = 2
WEAKLY_NOT_TAKEN: Final = 1
_WEAKLY_TAKEN: Final = 2
_STRONGLY_TAKEN: Final = 3
_BANK: Final = 4
"""[jnk0le] The bit of an address that tells a bank of tightly coupled memory or cache."""
_MEMORY_WRITE: Final = 17
"""unicorn's UC_MEM_WRITE."""


def _python_look_up(s: Any, cache: int, line: int) -> int:
    """Uses a line of a cache with ways and LRU replacement; 1 where it was missing."""
    ways = s[cache + WAYS]
    first = s[cache + TAGS] + (line & s[cache + SET_MASK]) * ways
    if s[first] == line:
        return 0
    way = 1
    while way < ways and s[first + way] != line:
        way += 1
    miss = 0
    if way == ways:
        miss = 1
        way = ways - 1
    while way > 0:
        s[first + way] = s[first + way - 1]
        way -= 1
    s[first] = line
    return miss


look_up = njit(_python_look_up)


def _python_edge(s: Any, before: int, row: int) -> int:
    """The edge from one block to another; 0 where there is no room for it."""
    edge = s[before + LAST_EDGE]
    if edge != 0 and s[edge + TO] == row:
        return int(edge)
    edge = s[before + FIRST_EDGE]
    while edge != 0 and s[edge + TO] != row:
        edge = s[edge + NEXT_FROM]
    if edge == 0:
        edge = s[NEXT_EDGE]
        if edge + EDGE_SIZE > s[EDGES_END]:
            return 0
        s[NEXT_EDGE] = edge + EDGE_SIZE
        s[edge + FROM] = before
        s[edge + TO] = row
        s[edge + NEXT_FROM] = s[before + FIRST_EDGE]
        s[before + FIRST_EDGE] = edge
    s[before + LAST_EDGE] = edge
    return int(edge)


_edge = njit(_python_edge)


def _python_predicts(s: Any, row: int, pc: int) -> int:
    """Whether the branch of a block was predicted to go where it went; learns from it.

    A two-bit counter tells the direction. The target of a return is always known, that of another
    branch is the last one.
    """
    counter = s[row + DIRECTION]
    if s[NEXT_PC] == pc:
        if counter > 0:
            s[row + DIRECTION] = counter - 1
        return 1 if counter < _WEAKLY_TAKEN else 0
    known = s[row + LAST_TARGET] == pc or s[row + ENDING] == RETURN
    s[row + LAST_TARGET] = pc
    if counter < _STRONGLY_TAKEN:
        s[row + DIRECTION] = counter + 1
    return 1 if counter >= _WEAKLY_TAKEN and known else 0


predicts = njit(_python_predicts)


def _python_ending(s: Any, pc: int, size: int) -> int:
    """Whether a block ends in a return: ``bx lr``, or a load of the pc from the stack."""
    first = s[HALFWORDS] + ((pc - s[CODE_BASE]) >> 1)
    last = first + size // 2 - 1
    word = s[last]
    if word == 0x4770 or (word & 0xFF00) == 0xBD00:
        return RETURN
    if last == first:
        return NO_RETURN
    if s[last - 1] == 0xE8BD and (word & 0x8000) != 0:
        return RETURN
    return RETURN if s[last - 1] == 0xF85D and word == 0xFB04 else NO_RETURN


_ending = njit(_python_ending)


def _python_access(s: Any, row: int, address: int, size: int, is_write: bool) -> None:
    """Counts an access to memory."""
    if not is_write and (address & (size - 1) & 3) != 0:
        s[row + UNALIGNED] += 1
    if s[COUPLED_BASE] <= address < s[COUPLED_END]:
        return
    miss = look_up(s, DATA_CACHE, address >> s[DATA_CACHE + SHIFT])
    if s[FLASH_BASE] <= address < s[FLASH_END]:
        s[row + FLASH_READS] += 1
        s[row + DATA_LINES] += miss
    elif not is_write:
        s[row + RAM_LINES] += miss


access = njit(_python_access)


def _python_compare(s: Any, row: int, ordinal: int, before: int, address: int) -> None:
    """Counts an access that comes behind another one, and whether both use the same bank."""
    s[row + PAIRS + ordinal] += 1
    if ((before ^ address) & _BANK) == 0:
        s[row + SAME_BANK + ordinal] += 1


compare = njit(_python_compare)


def _python_run_program(engine: Any, s: Any, row: int, again: bool) -> None:
    """Counts the accesses of a block that is entered."""
    program = s[row + PROGRAM]
    begin(engine, s, program, again)
    step = program + FIRST_ENTRY + ENTRY_SIZE * s[program + ENTRIES]
    end = step + STEP_SIZE * s[program + STEPS]
    last = 0
    while step < end:
        kind, value = s[step], add_up(s, step)
        if kind < UNKNOWN:
            if s[step + OTHER] != 0:
                compare(s, row, s[step + OTHER], last, value)
            if value < s[MEMORY_END]:
                access(s, row, value, s[step + TARGET], kind == WRITE)
            last = value
        elif kind == UNKNOWN:
            s[UNTOLD] += 1
        else:
            make(s, step, value)
        step += STEP_SIZE


_run_program = njit(_python_run_program)


def _python_fetch(s: Any, row: int, pc: int, size: int) -> None:
    """Uses the instruction lines of a block."""
    shift = s[INSTRUCTION_CACHE + SHIFT]
    last = s[INSTRUCTION_CACHE + LAST_LINE]
    for line in range(pc >> shift, ((pc + size - 1) >> shift) + 1):
        if line != last:
            s[row + INSTRUCTION_LINES] += look_up(s, INSTRUCTION_CACHE, line)
            last = line
    s[INSTRUCTION_CACHE + LAST_LINE] = last


_fetch = njit(_python_fetch)


def _on_block(engine: Any, pc: int, size: int, s: Any) -> None:
    row = enter(engine, pc, size, s)
    if row == 0:
        return
    if s[row + ENDING] == 0:
        s[row + ENDING] = _ending(s, pc, size)
        s[row + DIRECTION] = WEAKLY_NOT_TAKEN
    before = s[ROW]
    edge = _edge(s, before, row)
    if edge == 0:
        s[BLOCKS_LEFT] = 0
        _stop(s[STOP_FUNCTION], engine)
        return
    s[edge + TIMES] += 1
    if predicts(s, before, pc) == 0:
        s[edge + MISPREDICTED] += 1
    s[ROW] = row
    s[NEXT_PC] = pc + size
    s[ORDINAL] = 0
    again = s[LAST_ROW] == row
    s[LAST_ROW] = row
    # A block's lines belong to different sets: they are there when it runs again.
    if not again:
        _fetch(s, row, pc, size)
    if s[row + PROGRAM] != 0:
        _run_program(engine, s, row, again)


def _on_access(engine: Any, kind: int, address: int, size: int, value: int, s: Any) -> None:
    if address < s[MEMORY_END]:
        row, ordinal = s[ROW], s[ORDINAL]
        if 0 < ordinal < ORDINALS:
            compare(s, row, ordinal, s[LAST_ADDRESS], address)
        s[ORDINAL] = ordinal + 1
        s[LAST_ADDRESS] = address
        access(s, row, address, size, kind == _MEMORY_WRITE)
    clear_it(engine, s)


ON_BLOCK: Final = compiled(BLOCK_HOOK)(_on_block)
ON_ACCESS: Final = compiled(MEMORY_HOOK)(_on_access)
