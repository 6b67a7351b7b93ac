"""When a Cortex-M7 issues instructions: in order, two a cycle where they pair."""

from __future__ import annotations

from collections import deque
from typing import Final

from hwnas.virtual.timing.cortex_m7._operands import (
    FLAGS,
    Early,
    Operation,
    Place,
    Shift,
    Unit,
)

FETCH_BYTES: Final = 8
FETCH_QUEUE: Final = 4
"""[TRM, prefetch unit] Eight aligned bytes a cycle into a queue of four times eight bytes."""
STORE_TO_LOAD: Final = 5
"""[slothy] Cycles from a store to a load of the same word. FITTED on CoreMark at -O0."""
_FLAGS_LATENCY: Final = 2


class Scoreboard:
    """Issues operations one after the other.

    Attributes:
        branch_at: When the last branch issued, since this was set to ``None``.
        flags_at: When the flags were set last, likewise.
    """

    def __init__(self) -> None:
        self.branch_at: int | None = None
        self.flags_at: int | None = None
        self._cycle = 0
        self._older: Operation | None = None
        self._full = False
        self._ready: dict[int, tuple[int, bool]] = {}
        self._stored: dict[Place, int] = {}
        self._fetch = _Fetch()

    @property
    def end(self) -> int:
        """The cycle after the last issue."""
        return self._cycle + (self._older is not None)

    def issue(self, operation: Operation, same_bank: bool) -> int:
        """Issues an operation, and tells when.

        Args:
            operation: What is issued.
            same_bank: Whether it accesses the same bank of memory as the access before.
        """
        at = max(self._cycle, self._operands_at(operation), self._loadable_at(operation))
        at = max(at, self._fetch.fetched_at(operation, self._cycle))
        second = False
        if at == self._cycle and self._older is not None:
            second = not self._full and pair(self._older, operation, same_bank)
            at += not second
        self._write(operation, at, second)
        self._cycle = at + operation.cycles - 1
        if second:
            self._full = True
        else:
            self._older, self._full = operation, operation.alone or operation.cycles > 1
        return at

    def take_branch(self) -> None:
        """What was issued last is a branch that is taken, as predicted: nothing pairs with it.

        [jnk0le] No cycle is lost: a loop of 20 instructions takes 10.
        """
        self._cycle += 1
        self._older, self._full = None, False
        self._fetch.redirect()

    def _operands_at(self, operation: Operation) -> int:
        at = 0
        for read in operation.reads:
            ready, is_loaded_word = self._ready.get(read.register, (0, False))
            at = max(at, ready - read.stage + (read.is_factor and is_loaded_word))
        return at

    def _loadable_at(self, operation: Operation) -> int:
        if operation.unit is not Unit.LOAD or operation.place not in self._stored:
            return 0
        return self._stored[operation.place] + STORE_TO_LOAD

    def _write(self, operation: Operation, at: int, second: bool) -> None:
        early = self._is_early(operation, at, second)
        done = at + operation.cycles - 1
        for write in operation.writes:
            self._ready[write.register] = (done + write.latency - early, write.is_loaded_word)
        if operation.unit is Unit.STORE and operation.place is not None:
            self._stored[operation.place] = at
        if self._stored and operation.writes:
            changed = {write.register for write in operation.writes}
            self._stored = {k: v for k, v in self._stored.items() if k.base not in changed}
        if operation.sets_flags:
            self._ready[FLAGS] = (at + _FLAGS_LATENCY, False)
            self.flags_at = at
        if operation.unit in (Unit.BRANCH, Unit.TABLE_BRANCH):
            self.branch_at = at

    def _is_early(self, operation: Operation, at: int, second: bool) -> bool:
        """Whether arithmetic is executed early."""
        if operation.early is Early.NEVER:
            return False
        if second:
            if operation.early is Early.FIRST_SLOT:
                return False
            assert self._older is not None
            if self._older.shift in (Shift.INLINE, Shift.FIELD):
                return False
        return all(self._ready.get(read.register, (0,))[0] <= at for read in operation.reads)


class _Fetch:
    """The prefetch unit: aligned groups of bytes through a queue."""

    def __init__(self) -> None:
        self._at = 0
        self._group: int | None = None
        self._redirected = False
        self._left: deque[int] = deque()

    def redirect(self) -> None:
        """The next instruction is another one than that behind the last."""
        self._redirected = True

    def fetched_at(self, operation: Operation, cycle: int) -> int:
        """When all bytes of an operation are there, if the one before issued in a cycle."""
        first = operation.address // FETCH_BYTES
        last = (operation.end - 1) // FETCH_BYTES
        if self._group is None:
            self._group = first
        elif self._redirected:
            self._next(cycle)
            self._group = first
        self._redirected = False
        while self._group < last:
            self._next(cycle)
            self._group += 1
        return self._at

    def _next(self, cycle: int) -> None:
        """Fetches a group, which needs room in the queue."""
        self._left.append(cycle)
        self._at += 1
        if len(self._left) > FETCH_QUEUE:
            self._at = max(self._at, self._left.popleft())


def pair(older: Operation, younger: Operation, same_bank: bool) -> bool:
    """[jnk0le, LLVM] Whether two operations issue in one cycle."""
    if older.alone or younger.alone or younger.unit is Unit.FIELD:
        return False
    units = (older.unit, younger.unit)
    if units == (Unit.LOAD, Unit.LOAD):
        return not same_bank
    if units in _NEVER_PAIR:
        return False
    return not (younger.shift is Shift.INLINE and older.shift is not Shift.NONE)


_FLOATS: Final = (Unit.FLOAT, Unit.FLOAT_MOVE)
_NEVER_PAIR: Final = frozenset(
    [
        (Unit.MULTIPLIER, Unit.MULTIPLIER),
        (Unit.STORE, Unit.STORE),
        (Unit.MULTIPLIER, Unit.STORE),
        (Unit.STORE, Unit.MULTIPLIER),
        (Unit.BRANCH, Unit.BRANCH),
        *((one, other) for one in _FLOATS for other in _FLOATS),
    ]
)
