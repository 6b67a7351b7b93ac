"""General-purpose inputs and outputs of the STM32L4 (RM0351, chapter of that name)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from hwnas.virtual.peripherals._base import PinLevel, RegisterFile

_MODER, _IDR, _ODR, _BSRR, _BRR = 0x00, 0x10, 0x14, 0x18, 0x28
_AFR: Final = (0x20, 0x24)
_WRITE_ONLY: Final = frozenset({_BSRR, _BRR})
_OUTPUT, _ALTERNATE = 1, 2
PINS: Final = 16
"""Pins of a port."""


class Gpio(RegisterFile):
    """One port; tells about outputs that change.

    Args:
        port: Its letter.
        base: Address of the first register.
        clocked: Tells whether its clock is on.
        on_change: Called for each output that changes.
    """

    NARROW_WRITES: ClassVar[frozenset[int]] = _WRITE_ONLY
    RESET_VALUES: ClassVar[Mapping[int, int]] = {
        _MODER: 0xFFFF_FFFF,
        0x04: 0,
        0x08: 0,
        0x0C: 0,
        _IDR: 0,
        _ODR: 0,
        _BSRR: 0,
        0x1C: 0,
        _AFR[0]: 0,
        _AFR[1]: 0,
        _BRR: 0,
        0x2C: 0,
    }

    def __init__(
        self,
        port: str,
        base: int,
        clocked: Callable[[], bool],
        on_change: Callable[[PinLevel], None],
    ) -> None:
        super().__init__(f"GPIO{port}", base, clocked)
        self._port = port
        self._on_change = on_change

    def load(self, offset: int) -> int:
        """Inputs read what outputs drive, and else 0."""
        if offset in _WRITE_ONLY:
            return 0
        if offset == _IDR:
            return self._driven()
        return super().load(offset)

    def store(self, offset: int, value: int) -> None:
        """Switches outputs, or keeps the configuration."""
        before = self._driven()
        output = self.registers[_ODR]
        if offset == _BSRR:
            # Where a bit is both set and reset, set wins.
            self.registers[_ODR] = output & ~(value >> 16) | value & 0xFFFF
        elif offset == _BRR:
            self.registers[_ODR] = output & ~value
        elif offset == _ODR:
            self.registers[_ODR] = value & 0xFFFF
        elif offset != _IDR:
            super().store(offset, value)
        after = self._driven()
        changed = before ^ after
        for number in range(PINS):
            if changed >> number & 1:
                self._on_change(PinLevel(self._port, number, bool(after >> number & 1)))

    def serves(self, number: int, alternate_function: int) -> bool:
        """Whether a pin is switched to an alternate function."""
        function = self.registers[_AFR[number // 8]] >> 4 * (number % 8) & 0xF
        return self._mode(number) == _ALTERNATE and function == alternate_function

    def _mode(self, number: int) -> int:
        return self.registers[_MODER] >> 2 * number & 3

    def _driven(self) -> int:
        outputs = sum(1 << n for n in range(PINS) if self._mode(n) == _OUTPUT)
        return self.registers[_ODR] & outputs
