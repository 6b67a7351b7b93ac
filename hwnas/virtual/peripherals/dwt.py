"""The cycle counter of the data watchpoint and trace unit (Armv7-M manual, section C1.8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from hwnas.virtual.peripherals._base import WORD, RegisterFile

_CTRL, _CYCCNT = 0x00, 0x04
_ENABLE: Final = 1
_LAR, _LSR = 0xFB0, 0xFB4
_LOCK_KEY: Final = 0xC5AC_CE55
_LOCK_IMPLEMENTED, _LOCKED = 1, 2


class Dwt(RegisterFile):
    """CYCCNT counts the core's cycles while both TRCENA and CYCCNTENA are set.

    Args:
        base: Address of the first register.
        cycles: The core's cycles so far; a call freezes them.
        tracing: Tells whether DEMCR.TRCENA is set.
        check: Called when counting starts and at each reading, since a reset or the code may
            have changed the clock meanwhile; raises where the count would mean nothing.
    """

    RESET_VALUES: ClassVar[Mapping[int, int]] = {_CTRL: 0x4000_0000, _CYCCNT: 0}
    size_bytes = 0x1000

    def __init__(
        self,
        base: int,
        cycles: Callable[[], int],
        tracing: Callable[[], bool],
        check: Callable[[], None],
    ) -> None:
        self._cycles = cycles
        self._tracing = tracing
        self._check_clock = check
        self._value = 0
        self._started_at: int | None = None
        super().__init__("DWT", base)

    def reset(self) -> None:
        """Does nothing once running: only a power-on resets the debug units."""
        if not self.registers:
            super().reset()

    def update(self) -> None:
        """Starts or stops counting, after one of the enable bits may have changed."""
        on = bool(self.registers[_CTRL] & _ENABLE) and self._tracing()
        if on and self._started_at is None:
            self._check_clock()
            self._started_at = self._cycles()
        elif not on and self._started_at is not None:
            self._value = self._count()
            self._started_at = None

    def load(self, offset: int) -> int:
        """The counter, or the control register."""
        if offset != _CYCCNT:
            return super().load(offset)
        if self._started_at is not None:
            self._check_clock()
        return self._count()

    def store(self, offset: int, value: int) -> None:
        """Sets the counter, or switches it on and off."""
        if offset == _CYCCNT:
            self._value = value
            if self._started_at is not None:
                self._started_at = self._cycles()
            return
        fixed = self.RESET_VALUES[_CTRL]
        super().store(offset, fixed | value & _ENABLE)
        self.update()

    def _count(self) -> int:
        if self._started_at is None:
            return self._value
        return (self._value + self._cycles() - self._started_at) & WORD


class LockedDwt(Dwt):
    """The same behind the lock of a Cortex-M7: code must unlock it before it can write.

    See :class:`Dwt`.
    """

    RESET_VALUES: ClassVar[Mapping[int, int]] = {**Dwt.RESET_VALUES, _LAR: 0, _LSR: 0}

    def load(self, offset: int) -> int:
        """The lock's status, and what the unit itself shows."""
        if offset == _LAR:
            return 0
        if offset == _LSR:
            return _LOCK_IMPLEMENTED | (0 if self.registers[_LAR] == _LOCK_KEY else _LOCKED)
        return super().load(offset)

    def store(self, offset: int, value: int) -> None:
        """Takes the key; anything else only behind it."""
        if offset == _LAR:
            self.registers[_LAR] = value
        elif self.registers[_LAR] == _LOCK_KEY and offset != _LSR:
            super().store(offset, value)
