"""A virtual chip on a bus, with a core whose cycles and blocks the test sets."""

from __future__ import annotations

from hwnas.boards import BoardSpec
from hwnas.virtual.chips import ResetCause, Wiring, make_chip
from hwnas.virtual.peripherals import Peripheral, PinLevel
from hwnas.virtual.serial_line import SerialLine


class ChipBus:
    """Reads and writes registers by address; keeps what the chip told its surroundings."""

    def __init__(self, spec: BoardSpec) -> None:
        self.cycles = 0
        self.blocks = 0
        self.idle = 0
        self.resets = 0
        self.pins: list[PinLevel] = []
        self.invalidated: list[tuple[bool, bool]] = []
        self.line = SerialLine(lambda: self.blocks, self._become_idle)
        wiring = Wiring(
            line=self.line,
            cycles=lambda: self.cycles,
            invalidate=lambda *which: self.invalidated.append(which),
            on_reset=self._reset,
            on_pin=self.pins.append,
        )
        self.chip = make_chip(spec, wiring)
        self.chip.reset(ResetCause.POWER_ON)

    def __getitem__(self, address: int) -> int:
        peripheral = self._find(address)
        return peripheral.read(address - peripheral.base)

    def __setitem__(self, address: int, value: int) -> None:
        peripheral = self._find(address)
        peripheral.write(address - peripheral.base, value)

    def _find(self, address: int) -> Peripheral:
        (found,) = (
            peripheral
            for peripheral in self.chip.peripherals
            if peripheral.base <= address < peripheral.base + peripheral.size_bytes
        )
        return found

    def _become_idle(self) -> None:
        self.idle += 1

    def _reset(self) -> None:
        self.resets += 1
