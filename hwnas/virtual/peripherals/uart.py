"""The UART of newer STM32 chips, and their low-power UART (RM0351, chapters of those names)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from hwnas.virtual.peripherals._base import RegisterFile
from hwnas.virtual.serial_line import SerialLine

_CR1, _CR2, _BRR, _ISR, _RDR, _TDR = 0x00, 0x04, 0x0C, 0x1C, 0x24, 0x28
_COMMANDS: Final = frozenset({0x18, 0x20})
"""RQR and ICR: there is nothing to flush or to clear."""
_ENABLED, _RECEIVES, _TRANSMITS = 1 << 0, 1 << 2, 1 << 3
_WORD_LENGTH_AND_PARITY: Final = 1 << 28 | 1 << 12 | 1 << 10
_STOP_BITS_AND_POLARITY: Final = 0x1F << 15 | 3 << 12
"""STOP, SWAP, RXINV, TXINV, DATAINV and MSBFIRST of CR2."""
_RECEIVED: Final = 1 << 5
_SENT: Final = 1 << 7 | 1 << 6
_SENDER_READY, _RECEIVER_READY = 1 << 21, 1 << 22
_OVERSAMPLING_BY_8: Final = 1 << 15


class Uart(RegisterFile):
    """A USART or LPUART that sends at once, and whose bytes wait to be read: it never overruns.

    Args:
        name: As the manual calls it.
        base: Address of the first register.
        clocked: Tells whether its clock is on.
        line: The line to the host.
        check: Called before the first byte after each change of the configuration; raises where
            the host could not understand the bytes.
    """

    NARROW_WRITES: ClassVar[frozenset[int]] = frozenset({_TDR})
    RESET_VALUES: ClassVar[Mapping[int, int]] = {
        _CR1: 0,
        _CR2: 0,
        0x08: 0,
        _BRR: 0,
        0x18: 0,
        _ISR: 0xC0,
        0x20: 0,
        _RDR: 0,
        _TDR: 0,
        0x2C: 0,
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
        """The register BRR, from which the chip's baud rate follows."""
        return self.registers[_BRR]

    @property
    def oversamples_by_8(self) -> bool:
        """Whether a USART takes 8 samples of a bit rather than 16; an LPUART has no such bit."""
        return bool(self.registers[_CR1] & _OVERSAMPLING_BY_8)

    @property
    def is_8n1(self) -> bool:
        """Whether it sends 8 data bits, low bit first, no parity, one stop bit, all upright."""
        return not (
            self.registers[_CR1] & _WORD_LENGTH_AND_PARITY
            or self.registers[_CR2] & _STOP_BITS_AND_POLARITY
        )

    def load(self, offset: int) -> int:
        """Status and received bytes; others read back."""
        if offset == _ISR:
            return self._status()
        if offset == _RDR:
            return self._line.take() if self._is(_RECEIVES) else 0
        return super().load(offset)

    def store(self, offset: int, value: int) -> None:
        """Sends a byte, or keeps the configuration."""
        if offset == _TDR:
            self._send(value & 0xFF)
        elif offset not in _COMMANDS and offset not in (_ISR, _RDR):
            self._checked = False
            super().store(offset, value)

    def _send(self, byte: int) -> None:
        if not self._is(_TRANSMITS):
            return
        if not self._checked:
            self._check_line()
            self._checked = True
        self._line.send(byte)

    def _status(self) -> int:
        status = _SENT
        if self._is(_TRANSMITS):
            status |= _SENDER_READY
        if self._is(_RECEIVES):
            status |= _RECEIVER_READY
            if self._line.poll():
                status |= _RECEIVED
        return status

    def _is(self, what: int) -> bool:
        return self.registers[_CR1] & (_ENABLED | what) == _ENABLED | what
