"""The USART of older STM32 chips (RM0390, chapter of that name): one status, one data register."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from hwnas.virtual.peripherals._base import RegisterFile
from hwnas.virtual.serial_line import SerialLine

_SR, _DR, _BRR, _CR1, _CR2, _CR3 = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14
_RECEIVES, _TRANSMITS, _ENABLED = 1 << 2, 1 << 3, 1 << 13
_OVERSAMPLING_BY_8: Final = 1 << 15
_OTHER_FORMATS: Final = {
    _CR1: 1 << 12 | 1 << 10,  # M, PCE
    _CR2: 1 << 14 | 3 << 12 | 1 << 11,  # LINEN, STOP, CLKEN
    _CR3: 1 << 9 | 1 << 8 | 1 << 5 | 1 << 3 | 1 << 1,  # CTSE, RTSE, SCEN, HDSEL, IREN
}
"""Bits that make it something else than a plain UART with 8 data bits, no parity, one stop bit."""
_RECEIVED: Final = 1 << 5
_SENT: Final = 1 << 7 | 1 << 6


class Usart(RegisterFile):
    """Sends at once, and its bytes wait to be read: it never overruns.

    Args:
        name: As the manual calls it.
        base: Address of the first register.
        clocked: Tells whether its clock is on.
        line: The line to the host.
        check: Called before the first byte after each change of the configuration; raises where
            the host could not understand the bytes.
    """

    NARROW_WRITES: ClassVar[frozenset[int]] = frozenset({_DR})
    RESET_VALUES: ClassVar[Mapping[int, int]] = {
        _SR: _SENT,
        _DR: 0,
        _BRR: 0,
        _CR1: 0,
        _CR2: 0,
        _CR3: 0,
        0x18: 0,
    }

    def __init__(
        self,
        name: str,
        base: int,
        clocked: Callable[[], bool],
        line: SerialLine,
        check: Callable[[], None],
    ) -> None:
        super().__init__(name, base, clocked)
        self._line = line
        self._check_line = check

    def reset(self) -> None:
        """Gives all registers their reset values."""
        super().reset()
        self._checked = False

    @property
    def divider(self) -> int:
        """The register BRR: with oversampling by 16, clock over baud rate."""
        return self.registers[_BRR]

    @property
    def oversamples_by_8(self) -> bool:
        """Whether BRR counts eighths of a bit rather than sixteenths."""
        return bool(self.registers[_CR1] & _OVERSAMPLING_BY_8)

    @property
    def is_8n1(self) -> bool:
        """Whether it is a plain UART with 8 data bits, no parity, one stop bit."""
        return not any(self.registers[offset] & bits for offset, bits in _OTHER_FORMATS.items())

    def load(self, offset: int) -> int:
        """Status and received bytes; others read back."""
        if offset == _SR:
            received = self._is(_RECEIVES) and self._line.poll()
            return _SENT | (_RECEIVED if received else 0)
        if offset == _DR:
            return self._line.take() if self._is(_RECEIVES) else 0
        return super().load(offset)

    def store(self, offset: int, value: int) -> None:
        """Sends a byte, or keeps the configuration."""
        if offset == _DR:
            self._send(value & 0xFF)
        elif offset != _SR:
            self._checked = False
            super().store(offset, value)

    def _send(self, byte: int) -> None:
        if not self._is(_TRANSMITS):
            return
        if not self._checked:
            self._check_line()
            self._checked = True
        self._line.send(byte)

    def _is(self, what: int) -> bool:
        return self.registers[_CR1] & (_ENABLED | what) == _ENABLED | what
