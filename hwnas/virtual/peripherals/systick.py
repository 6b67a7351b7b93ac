"""The system timer's counter (Armv7-M manual, section B3.3), without its interrupt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hwnas.virtual.peripherals._base import Peripheral

_CSR, _RVR, _CVR, _CALIB = 0x00, 0x04, 0x08, 0x0C
_ENABLE, _CORE_CLOCK, _COUNTED = 1 << 0, 1 << 2, 1 << 16
_SWITCHES: Final = 0x7
_VALUE: Final = 0x00FF_FFFF
_NO_CALIBRATION: Final = 1 << 31


class SysTick(Peripheral):
    """Counts down by the core's cycles: its value is worked out when it is read.

    Args:
        base: Address of the first register.
        cycles: The core's cycles so far; a call freezes them.
        divider: Core cycles to one of the reference clock, which counts where the core's is not
            selected.
    """

    name = "SysTick"

    def __init__(self, base: int, cycles: Callable[[], int], divider: int) -> None:
        self.base = base
        self._cycles = cycles
        self._divider = divider
        self.reset()

    def reset(self) -> None:
        """Stops and clears it."""
        self._control = 0
        self._reload = 0
        self._counted = False
        self._load(0, 0)

    def read(self, offset: int) -> int:
        """See :class:`Peripheral`; reading the control register clears COUNTFLAG."""
        self._advance()
        if offset == _CSR:
            counted, self._counted = self._counted, False
            return self._control | (_COUNTED if counted else 0)
        if offset == _CVR:
            return self._value()
        return {_RVR: self._reload, _CALIB: _NO_CALIBRATION}.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """See :class:`Peripheral`; any value written to the counter clears it."""
        self._advance()
        left = self._value()
        if offset == _CSR:
            self._control = value & _SWITCHES
        elif offset == _RVR:
            self._reload = value & _VALUE
            if left:
                return  # The new value is loaded when the counter gets to zero.
        elif offset == _CVR:
            self._counted = False
            left = 0
        self._load(self._now(), left)

    def _load(self, now: int, left: int) -> None:
        """Goes on from a value; from zero, the next tick loads the reload value."""
        self._loaded = left or self._reload
        self._zero_at = now + (left or self._reload + 1)

    def _now(self) -> int:
        """The tick of the clock that it counts; 0, and so no later than ever, where it stands."""
        if not self._control & _ENABLE:
            return 0
        return self._cycles() // (1 if self._control & _CORE_CLOCK else self._divider)

    def _value(self) -> int:
        left = self._zero_at - self._now()
        return left if left <= self._loaded else 0

    def _advance(self) -> None:
        """Passes the zeros that are over."""
        now, period = self._now(), self._reload + 1
        if now >= self._zero_at:
            self._counted |= self._loaded > 0
            self._zero_at += ((now - self._zero_at) // period + 1) * period
            self._loaded = self._reload
