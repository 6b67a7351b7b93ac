"""Ports of the nRF52840 (Product Specification, chapter GPIO)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from hwnas.virtual.peripherals import PinLevel, RegisterFile

PINS: Final = {"0": 32, "1": 16}
"""Pins of each port."""
_STEP: Final = 0x300
_OUT, _OUTSET, _OUTCLR, _IN = 0x504, 0x508, 0x50C, 0x510
_DIR, _DIRSET, _DIRCLR = 0x514, 0x518, 0x51C
_PIN_CNF: Final = 0x700
_IS_OUTPUT, _IS_DISCONNECTED = 1 << 0, 1 << 1
_PIN_CNF_RESET: Final = _IS_DISCONNECTED


def _registers(port: int, pins: int) -> dict[int, int]:
    plain = dict.fromkeys((_OUT, _OUTSET, _OUTCLR, _IN, _DIR, _DIRSET, _DIRCLR), 0)
    configurations = {_PIN_CNF + 4 * number: _PIN_CNF_RESET for number in range(pins)}
    return {port * _STEP + offset: value for offset, value in (plain | configurations).items()}


class Gpio(RegisterFile):
    """Both ports, whose registers interleave in one range; tells about outputs that change.

    Args:
        base: Address of the first port.
        on_change: Called for each output that changes.
    """

    size_bytes = 0x1000
    RESET_VALUES: ClassVar[Mapping[int, int]] = {
        offset: value
        for port, pins in PINS.items()
        for offset, value in _registers(int(port), pins).items()
    }

    def __init__(self, base: int, on_change: Callable[[PinLevel], None]) -> None:
        super().__init__("GPIO", base)
        self._on_change = on_change

    def is_output(self, port: str, number: int) -> bool:
        """Whether a pin drives what OUT says."""
        return bool(self._configuration(port, number) & _IS_OUTPUT)

    def is_input(self, port: str, number: int) -> bool:
        """Whether a pin does not drive, and its input buffer is connected."""
        return not self._configuration(port, number) & (_IS_OUTPUT | _IS_DISCONNECTED)

    def load(self, offset: int) -> int:
        """All views of OUT and DIR show them; inputs read what outputs drive, and else 0."""
        port, register = _split(offset)
        if register in (_OUTSET, _OUTCLR):
            register = _OUT
        elif register in (_DIR, _DIRSET, _DIRCLR):
            return self._directions(port)
        elif register == _IN:
            return self._driven(port)
        return super().load(int(port) * _STEP + register)

    def store(self, offset: int, value: int) -> None:
        """Switches outputs, or keeps the configuration."""
        port, register = _split(offset)
        at = int(port) * _STEP
        before = self._driven(port)
        pins = (1 << PINS[port]) - 1
        out, directions = self.registers[at + _OUT], self._directions(port)
        if register in (_OUT, _OUTSET, _OUTCLR):
            new = {_OUT: value, _OUTSET: out | value, _OUTCLR: out & ~value}[register]
            self.registers[at + _OUT] = new & pins
        elif register in (_DIR, _DIRSET, _DIRCLR):
            self._set_directions(
                port,
                {_DIR: value, _DIRSET: directions | value, _DIRCLR: directions & ~value}[register],
            )
        elif register != _IN:
            super().store(offset, value)
        after = self._driven(port)
        for number in range(PINS[port]):
            if (before ^ after) >> number & 1:
                self._on_change(PinLevel(port, number, bool(after >> number & 1)))

    def _configuration(self, port: str, number: int) -> int:
        return self.registers[int(port) * _STEP + _PIN_CNF + 4 * number]

    def _directions(self, port: str) -> int:
        return sum(1 << n for n in range(PINS[port]) if self.is_output(port, n))

    def _set_directions(self, port: str, directions: int) -> None:
        # The bit of DIR and that of PIN_CNF are one.
        for number in range(PINS[port]):
            at = int(port) * _STEP + _PIN_CNF + 4 * number
            self.registers[at] = self.registers[at] & ~_IS_OUTPUT | directions >> number & 1

    def _driven(self, port: str) -> int:
        return self.registers[int(port) * _STEP + _OUT] & self._directions(port)


def _split(offset: int) -> tuple[str, int]:
    """Port and register: the second port's registers begin where the first one's have ended."""
    second = offset >= _OUT + _STEP
    return ("1", offset - _STEP) if second else ("0", offset)
