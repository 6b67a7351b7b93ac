"""Clock and power control of the nRF52840 (Product Specification, chapters CLOCK and POWER)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntFlag
from typing import ClassVar, Final

from hwnas.errors import BoardError
from hwnas.virtual.peripherals import RegisterFile

CORE_HZ: Final = 64_000_000
"""From the crystal or from an RC oscillator; the core knows no other frequency."""

HFCLKSTART: Final = 0x000
HFCLKSTOP: Final = 0x004
HFCLKSTARTED: Final = 0x100
HFCLKSTAT: Final = 0x40C
RESETREAS: Final = 0x400
_CRYSTAL, _RUNNING = 1 << 0, 1 << 16
_TASKS: Final = frozenset({HFCLKSTART, HFCLKSTOP})


class ResetReason(IntFlag):
    """Flags of RESETREAS; a power-on sets none."""

    PIN = 1 << 0
    WATCHDOG = 1 << 1
    SOFTWARE = 1 << 2


class Power(RegisterFile):
    """Clock and power control, which share one range of addresses.

    The crystal oscillator runs at once when it is started.

    Args:
        base: Address of the first register.
    """

    size_bytes = 0x1000
    RESET_VALUES: ClassVar[Mapping[int, int]] = {
        HFCLKSTART: 0,
        HFCLKSTOP: 0,
        HFCLKSTARTED: 0,
        RESETREAS: 0,
        HFCLKSTAT: _RUNNING,
    }

    def __init__(self, base: int) -> None:
        super().__init__("POWER/CLOCK", base)

    def reset(self) -> None:
        """Gives all registers their reset values; reasons stay until the code clears them."""
        reasons = self.registers.get(RESETREAS, 0)
        super().reset()
        self.registers[RESETREAS] = reasons

    def tell_reason(self, reason: ResetReason) -> None:
        """Adds a reason for the reset."""
        self.registers[RESETREAS] |= reason

    @property
    def runs_from_crystal(self) -> bool:
        """Whether the core's clock comes from the crystal."""
        return bool(self.registers[HFCLKSTAT] & _CRYSTAL)

    def load(self, offset: int) -> int:
        """Tasks cannot be read; others read back."""
        if offset in _TASKS:
            raise BoardError(f"{self.name}: a task is read, at {self.base + offset:#010x}")
        return super().load(offset)

    def store(self, offset: int, value: int) -> None:
        """Does a task, or clears an event or reasons."""
        if offset == HFCLKSTART:
            if value & 1:
                self.registers[HFCLKSTAT] |= _CRYSTAL
                self.registers[HFCLKSTARTED] = 1
        elif offset == HFCLKSTOP:
            if value & 1:
                self.registers[HFCLKSTAT] &= ~_CRYSTAL
        elif offset == RESETREAS:
            self.registers[RESETREAS] &= ~value
        elif offset == HFCLKSTARTED:
            super().store(offset, value & 1)
