"""Runs the programs of blocks, compiled: which addresses a block accesses, told at its entry.

A program is a header, entries and steps. An entry brings a register into a slot. A step adds up two
slots with factors and a constant, and uses the sum: as the address of an access, or to make the
value of another slot.
"""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from hwnas.virtual._native import (
    FLASH_BASE,
    FLASH_END,
    FLASH_POINTER,
    RAM_BASE,
    RAM_END,
    RAM_POINTER,
    READ_REGISTER_FUNCTION,
    STATE_POINTER,
    VALUES,
    _register,
)

# Slots, as offsets into the array.
ZERO_SLOT: Final = VALUES
"""Always holds 0."""
FIRST_SLOT: Final = VALUES + 1
SLOTS_END: Final = VALUES + 64

# A program: offsets from its start.
ENTRIES: Final = 0
REPEATS: Final = 1
"""Whether a run of the block adds a constant to each register: then a loop need not read them."""
STEPS: Final = 2
FIRST_ENTRY: Final = 3

# An entry.
SLOT: Final = 0
NUMBER: Final = 1
ADVANCE: Final = 2
ENTRY_SIZE: Final = 3

# A step.
KIND: Final = 0
LEFT: Final = 1
LEFT_FACTOR: Final = 2
RIGHT: Final = 3
RIGHT_FACTOR: Final = 4
CONSTANT: Final = 5
TARGET: Final = 6
"""A slot; for accesses, the size."""
OTHER: Final = 7
"""A second slot; for loads that extend a sign, its bit; for a read whose bank is compared with that
of the access before, how many accesses of the block come before it."""
STEP_SIZE: Final = 8

# Kinds of steps. LOAD is followed by sizes, COMPUTE by operators.
READ: Final = 0
WRITE: Final = 1
UNKNOWN: Final = 2
SUM: Final = 3
LOAD: Final = 4
COMPUTE: Final = 16
MULTIPLY: Final = COMPUTE
AND: Final = COMPUTE + 1
OR: Final = COMPUTE + 2
EXCLUSIVE_OR: Final = COMPUTE + 3
SHIFT_LEFT: Final = COMPUTE + 4
SHIFT_RIGHT: Final = COMPUTE + 5

_WORD: Final = 0xFFFF_FFFF
_SIGN: Final = 0x8000_0000
_SLOT_BYTES: Final = 8


@intrinsic  # type: ignore[untyped-decorator]
def _word_at(typing_context: Any, address: Any) -> Any:
    """The word at an address of this process."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer = builder.inttoptr(values[0], ir.IntType(32).as_pointer())
        return builder.zext(builder.load(pointer, align=1), ir.IntType(64))

    return types.int64(types.int64), generate


def _python_begin(engine: Any, s: Any, program: int, again: bool) -> None:
    """Brings registers into their slots; ``again`` where the same program ran last."""
    at = program + FIRST_ENTRY
    end = at + ENTRY_SIZE * s[program + ENTRIES]
    if again and s[program + REPEATS] != 0:
        while at < end:
            slot = s[at + SLOT]
            s[slot] = (s[slot] + s[at + ADVANCE]) & _WORD
            at += ENTRY_SIZE
        return
    while at < end:
        slot = s[at + SLOT]
        s[slot] = 0
        cell = s[STATE_POINTER] + _SLOT_BYTES * slot
        _register(s[READ_REGISTER_FUNCTION], engine, s[at + NUMBER], cell)
        at += ENTRY_SIZE


begin = njit(_python_begin)


def _python_sum(s: Any, step: int) -> int:
    """Both slots times their factors, and the constant."""
    value = s[s[step + LEFT]] * s[step + LEFT_FACTOR] + s[step + CONSTANT]
    if s[step + RIGHT_FACTOR] != 0:
        value += s[s[step + RIGHT]] * s[step + RIGHT_FACTOR]
    return int(value & _WORD)


add_up = njit(_python_sum)


def _python_load(s: Any, address: int, size: int, sign: int) -> int:
    """A value in flash or RAM; 0 from elsewhere."""
    word = 0
    if s[RAM_BASE] <= address < s[RAM_END]:
        word = _word_at(s[RAM_POINTER] + address - s[RAM_BASE])
    elif s[FLASH_BASE] <= address < s[FLASH_END]:
        word = _word_at(s[FLASH_POINTER] + address - s[FLASH_BASE])
    word &= (1 << 8 * size) - 1
    return int(((word ^ sign) - sign) & _WORD)


_load = njit(_python_load)


def _python_compute(kind: int, left: int, right: int) -> int:
    """What two words make."""
    if kind == MULTIPLY:
        return left * right & _WORD
    if kind == AND:
        return left & right
    if kind == OR:
        return left | right
    if kind == EXCLUSIVE_OR:
        return left ^ right
    shift = min(right & 0xFF, 32)
    if kind == SHIFT_LEFT:
        return (left << shift) & _WORD
    if kind == SHIFT_RIGHT:
        return left >> shift
    return (((left ^ _SIGN) - _SIGN) >> shift) & _WORD


compute = njit(_python_compute)


def _python_make(s: Any, step: int, value: int) -> None:
    """Makes the value of a slot."""
    kind, other = s[step + KIND], s[step + OTHER]
    if kind == SUM:
        made = value
    elif kind < COMPUTE:
        made = _load(s, value, kind - LOAD, other)
    else:
        made = compute(kind, value, s[other])
    s[s[step + TARGET]] = made


make = njit(_python_make)
