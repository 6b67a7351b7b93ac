"""Watchdog of the nRF52840 (Product Specification, chapter WDT)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from hwnas.errors import BoardError
from hwnas.virtual.peripherals import RegisterFile

_START: Final = 0x000
_RUNSTATUS, _REQSTATUS = 0x400, 0x404
CRV: Final = 0x504
RREN: Final = 0x508
CONFIG: Final = 0x50C
_RELOADS: Final = range(0x600, 0x620, 4)
_RELOAD: Final = 0x6E52_4635


class Watchdog(RegisterFile):
    """Takes its settings until it is started, and never bites: the host's deadline ends a hang.

    Its oscillator has no fixed ratio to the core's clock, so when it bites is not a property of
    the code.
    """

    size_bytes = 0x1000
    RESET_VALUES: ClassVar[Mapping[int, int]] = {
        _START: 0,
        _RUNSTATUS: 0,
        _REQSTATUS: 1,
        CRV: 0xFFFF_FFFF,
        RREN: 1,
        CONFIG: 1,
        **dict.fromkeys(_RELOADS, 0),
    }

    def reset(self) -> None:
        """Does nothing once there: a software reset leaves it running, with its settings."""
        if not self.registers:
            super().reset()

    @property
    def started(self) -> bool:
        """Whether it runs."""
        return bool(self.registers[_RUNSTATUS])

    @property
    def seconds(self) -> float:
        """How long it waits to be fed."""
        return (self.registers[CRV] + 1) / 32768

    def load(self, offset: int) -> int:
        """Status and settings."""
        if offset == _START or offset in _RELOADS:
            raise BoardError(f"WDT: a register to write is read, at {self.base + offset:#010x}")
        return super().load(offset)

    def store(self, offset: int, value: int) -> None:
        """Starts it, feeds it, or changes a setting while it does not run."""
        if offset == _START:
            self.registers[_RUNSTATUS] |= value & 1
        elif offset in _RELOADS:
            if value != _RELOAD:
                raise BoardError(f"WDT: fed with {value:#010x} in place of {_RELOAD:#010x}")
        elif offset in (CRV, RREN, CONFIG) and not self.started:
            super().store(offset, value)
