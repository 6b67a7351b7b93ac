"""Independent watchdog of the STM32L4 (RM0351, chapter of that name)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from hwnas.virtual.peripherals._base import RegisterFile

_KR, _SR = 0x00, 0x0C
_UNLOCK, _RELOAD, _START = 0x5555, 0xAAAA, 0xCCCC
_PROTECTED: Final = frozenset({0x04, 0x08, 0x10})


class Iwdg(RegisterFile):
    """Takes its keys and settings, and never bites: the host's deadline ends a hang.

    Its oscillator has no fixed ratio to the core's clock, so when it bites is not a property of
    the code.
    """

    RESET_VALUES: ClassVar[Mapping[int, int]] = {_KR: 0, 0x04: 0, 0x08: 0xFFF, _SR: 0, 0x10: 0xFFF}

    def reset(self) -> None:
        """Gives all registers their reset values."""
        super().reset()
        self._unlocked = False
        self.started = False

    def load(self, offset: int) -> int:
        """The key register reads as zero; updates are over at once."""
        return 0 if offset in (_KR, _SR) else super().load(offset)

    def store(self, offset: int, value: int) -> None:
        """Takes a key, or a setting after the unlocking key."""
        if offset == _KR:
            self._unlocked = value == _UNLOCK
            self.started |= value == _START
        elif offset in _PROTECTED and self._unlocked:
            super().store(offset, value)
