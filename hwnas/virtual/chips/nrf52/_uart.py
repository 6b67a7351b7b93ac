"""The nRF52840's UART without EasyDMA (Product Specification, chapter UART)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from hwnas.errors import BoardError
from hwnas.virtual.peripherals import SerialPort
from hwnas.virtual.serial_line import SerialLine

_STARTRX, _STOPRX, _STARTTX, _STOPTX = 0x000, 0x004, 0x008, 0x00C
_TASKS: Final = frozenset({_STARTRX, _STOPRX, _STARTTX, _STOPTX})
_RXDRDY, _TXDRDY, _ERROR = 0x108, 0x11C, 0x124
_EVENTS: Final = frozenset({_RXDRDY, _TXDRDY, _ERROR})
_ERRORSRC, _ENABLE, _RXD, _TXD, _BAUDRATE, _CONFIG = 0x480, 0x500, 0x518, 0x51C, 0x524, 0x56C
_RTS, _PSEL_TXD, _CTS, _PSEL_RXD = 0x508, 0x50C, 0x510, 0x514
_ENABLED: Final = 4
_DISCONNECTED: Final = 0xFFFF_FFFF
RATES: Final = {
    0x0004_F000: 1205,
    0x0009_D000: 2396,
    0x0013_B000: 4808,
    0x0027_5000: 9598,
    0x003B_0000: 14_414,
    0x004E_A000: 19_208,
    0x0075_F000: 28_829,
    0x0080_0000: 31_250,
    0x009D_5000: 38_462,
    0x00E5_0000: 55_944,
    0x00EB_F000: 57_762,
    0x013A_9000: 76_923,
    0x01D7_E000: 115_942,
    0x03AF_B000: 231_884,
    0x0400_0000: 250_000,
    0x075F_7000: 470_588,
    0x0EBE_D000: 941_176,
    0x1000_0000: 1_000_000,
}
"""Bits a second that are really reached, by BAUDRATE: nrf52840.svd states each."""


class LegacyUart(SerialPort):
    """Sends at once; bytes to come wait in front of it, so that it never overruns.

    As on the chip, a byte comes up in RXD when the one before has been read, and only then is
    there an event for it: clearing the event after reading would lose the next one.

    Args:
        base: Address of the first register.
        line: The line to the host.
        check: Called before the first byte after each change of the configuration; raises where
            the host could not understand the bytes.
    """

    size_bytes = 0x1000
    RESET_VALUES: ClassVar[Mapping[int, int]] = {
        **dict.fromkeys((*_TASKS, *_EVENTS), 0),
        _ERRORSRC: 0,
        _ENABLE: 0,
        _RTS: _DISCONNECTED,
        _PSEL_TXD: _DISCONNECTED,
        _CTS: _DISCONNECTED,
        _PSEL_RXD: _DISCONNECTED,
        _RXD: 0,
        _TXD: 0,
        _BAUDRATE: 0x0400_0000,
        _CONFIG: 0,
    }

    def __init__(self, base: int, line: SerialLine, check: Callable[[], None]) -> None:
        super().__init__("UART0", base, line, check)

    def reset(self) -> None:
        """Gives all registers their reset values, and stops both directions."""
        super().reset()
        self._receives = False
        self._transmits = False
        self._holds_byte = False

    @property
    def baud(self) -> int:
        """Bits a second.

        Raises:
            BoardError: The setting is not one that the chip's maker documents.
        """
        setting = self.registers[_BAUDRATE]
        if setting not in RATES:
            raise BoardError(f"UART0: BAUDRATE {setting:#010x} is not among the documented ones")
        return RATES[setting]

    @property
    def is_8n1(self) -> bool:
        """Whether it sends 8 data bits, no parity, and heeds no flow control."""
        return self.registers[_CONFIG] == 0

    def selected(self) -> tuple[int, int]:
        """PSEL.TXD and PSEL.RXD: port times 32 plus pin, or beyond where disconnected."""
        return self.registers[_PSEL_TXD], self.registers[_PSEL_RXD]

    def load(self, offset: int) -> int:
        """Events and received bytes; others read back."""
        if offset in _TASKS or offset == _TXD:
            raise BoardError(f"UART0: a register to write is read, at {self.base + offset:#010x}")
        if offset == _RXDRDY:
            self._bring_up_byte()
        if offset == _RXD:
            return self._take()
        return super().load(offset)

    def store(self, offset: int, value: int) -> None:
        """Does a task, clears an event, sends a byte, or keeps the configuration."""
        if offset in _TASKS:
            self._do(offset, value)
        elif offset in _EVENTS:
            self.registers[offset] = value & 1
        elif offset == _TXD:
            if self._is_enabled and self._transmits:
                self.send(value & 0xFF)
                self.registers[_TXDRDY] = 1
        elif offset == _ERRORSRC:
            self.registers[_ERRORSRC] &= ~value
        elif offset != _RXD:
            super().store(offset, value)

    def _do(self, task: int, value: int) -> None:
        if not value & 1 or not self._is_enabled:
            return
        if task in (_STARTRX, _STOPRX):
            self._receives = task == _STARTRX
        else:
            self._transmits = task == _STARTTX

    def _bring_up_byte(self) -> None:
        listens = self._is_enabled and self._receives and not self._holds_byte
        if listens and self.line.poll():
            self._holds_byte = True
            self.registers[_RXDRDY] = 1

    def _take(self) -> int:
        if not self._holds_byte:
            return 0
        self._holds_byte = False
        byte = self.line.take()
        self._bring_up_byte()
        return byte

    @property
    def _is_enabled(self) -> bool:
        return self.registers[_ENABLE] == _ENABLED
