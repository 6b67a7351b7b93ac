"""Encodes the accesses of a block for the compiled hook that runs them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Final

from hwnas.virtual import _native_accesses as native
from hwnas.virtual.accesses._values import Computed, Loaded, Register, Source, Value
from hwnas.virtual.accesses._walk import WORD_BYTES, Access, Walk

_MOST_TERMS: Final = 2
"""Terms of a sum that one step of a program can add up."""
_SIGN_BITS: Final = 32


class _NoSlotError(Exception):
    """A block needs more values at once than there is room for."""


def encode(walked: Walk, wanted: Callable[[Access], bool], most_compared: int) -> list[int]:
    """The program of a block's accesses; empty where there are none.

    Args:
        walked: The block.
        wanted: Which of its accesses are counted.
        most_compared: Among how many of its first accesses the banks of neighbouring loads are
            compared.
    """
    encoder = _Encoder()
    for ordinal, access in enumerate(walked.accesses):
        if wanted(access):
            encoder.access(access, ordinal if ordinal < most_compared else 0)
    if not encoder.steps:
        return []
    entries = encoder.entries
    advances = [_advance(walked, number) for number in entries]
    repeats = all(advance is not None for advance in advances)
    program = [len(entries), int(repeats), len(encoder.steps) // native.STEP_SIZE]
    for (number, slot), advance in zip(entries.items(), advances, strict=True):
        program += [slot, number, advance or 0]
    return program + encoder.steps


def _advance(walked: Walk, number: int) -> int | None:
    """What a run through the block adds to a register, where that is a constant."""
    if number not in walked.registers:
        return 0
    after = walked.registers[number]
    if after is None or after.terms != ((Register(number), 1),):
        return None
    return after.constant


class _Encoder:
    def __init__(self) -> None:
        self.steps: list[int] = []
        self.entries: dict[int, int] = {}
        self._slots: dict[Source | Value, int] = {}
        self._knows_last = False
        self._next = native.FIRST_SLOT

    def access(self, access: Access, ordinal: int) -> None:
        """Adds an access; one whose address cannot be told, or not any more, is only counted.

        A second load is compared with the access before where both can be told.

        Args:
            access: The access.
            ordinal: How many accesses of the block come before it; 0 compares nothing.
        """
        fields = None
        if access.address is not None:
            with contextlib.suppress(_NoSlotError):
                fields = self._fields(access.address)
        compared = ordinal if access.is_second_load and self._knows_last else 0
        self._knows_last = fields is not None
        if fields is None:
            self._step(native.UNKNOWN, (native.ZERO_SLOT, 0, native.ZERO_SLOT, 0, 0), access.size)
            return
        kind = native.WRITE if access.is_write else native.READ
        self._step(kind, fields, access.size, compared)

    def _step(self, kind: int, fields: tuple[int, ...], target: int, other: int = 0) -> None:
        self.steps += [kind, *fields, target, other]

    def _fields(self, value: Value) -> tuple[int, int, int, int, int]:
        """Two slots with a factor each, and a constant."""
        terms = value.terms
        while len(terms) > _MOST_TERMS:
            some = self._slot_of_value(Value(terms[:_MOST_TERMS]))
            return self._with(some, Value(terms[_MOST_TERMS:], value.constant))
        slots = [(self._slot(source), _signed(factor)) for source, factor in terms]
        slots += [(native.ZERO_SLOT, 0)] * (_MOST_TERMS - len(slots))
        (one, factor), (two, other) = slots
        return one, factor, two, other, value.constant

    def _with(self, slot: int, rest: Value) -> tuple[int, int, int, int, int]:
        other = self._slot_of_value(Value(rest.terms))
        return slot, 1, other, 1, rest.constant

    def _slot_of_value(self, value: Value) -> int:
        if len(value.terms) == 1 and value.terms[0][1] == 1 and not value.constant:
            return self._slot(value.terms[0][0])
        known = self._slots.get(value)
        if known is None:
            fields = self._fields(value)
            known = self._slots[value] = self._new_slot()
            self._step(native.SUM, fields, known)
        return known

    def _slot(self, source: Source) -> int:
        known = self._slots.get(source)
        if known is None:
            known = self._slots[source] = self._made(source)
        return known

    def _made(self, source: Source) -> int:
        if isinstance(source, Register):
            slot = self.entries[source.number] = self._new_slot()
            return slot
        if isinstance(source, Loaded):
            fields = self._fields(source.address)
            slot = self._new_slot()
            bits = 8 * source.size
            sign = 1 << bits - 1 if source.signed and source.size < WORD_BYTES else 0
            self._step(native.LOAD + source.size, fields, slot, sign)
            return slot
        assert isinstance(source, Computed)
        right = self._slot_of_value(source.right)
        fields = self._fields(source.left)
        slot = self._new_slot()
        self._step(native.COMPUTE + source.operator, fields, slot, right)
        return slot

    def _new_slot(self) -> int:
        slot = self._next
        if slot == native.SLOTS_END:
            raise _NoSlotError
        self._next += 1
        return slot


def _signed(factor: int) -> int:
    """A factor near 2^32 as the small negative one that it stands for."""
    return factor - (1 << _SIGN_BITS) if factor >> _SIGN_BITS - 1 else factor
