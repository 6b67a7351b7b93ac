"""The UARTs of STM32 chips (RM0351, chapters on the USART and on the LPUART)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from hwnas.errors import BoardError
from hwnas.virtual.peripherals.serial_port import SerialPort

_RECEIVES, _TRANSMITS = 1 << 2, 1 << 3
_OVERSAMPLING_BY_8: Final = 1 << 15
_RECEIVED: Final = 1 << 5
_SENT: Final = 1 << 7 | 1 << 6
_SENDER_READY, _RECEIVER_READY = 1 << 21, 1 << 22
_CR1, _CR2, _BRR, _RQR, _ISR, _ICR = 0x00, 0x04, 0x0C, 0x18, 0x1C, 0x20
_RDR, _TDR, _PRESC = 0x24, 0x28, 0x2C


class Stm32Uart(SerialPort):
    """What they have alike: most bits, but not the registers' places; see :class:`SerialPort`.

    Attributes:
        CONTROL: Offset of CR1.
        DIVIDER: Offset of BRR.
        STATUS: Offset of the register with the flags.
        TO_SEND: Offset of the register that takes a byte.
        RECEIVED: Offset of the register that gives a byte.
        IGNORED: Registers that a write does not change.
        ENABLED: The bit of CR1 that switches it on.
        OTHER_FORMATS: Bits by register, any of which makes it something else than a plain UART
            with 8 data bits, no parity, one stop bit.
        FORMAT_REGISTERS: Where those are, by the manual's names.
    """

    CONTROL: ClassVar[int]
    DIVIDER: ClassVar[int]
    STATUS: ClassVar[int]
    TO_SEND: ClassVar[int]
    RECEIVED: ClassVar[int]
    IGNORED: ClassVar[frozenset[int]]
    ENABLED: ClassVar[int]
    OTHER_FORMATS: ClassVar[Mapping[int, int]]
    FORMAT_REGISTERS: ClassVar[str]

    @property
    def is_8n1(self) -> bool:
        """Whether it is a plain UART with 8 data bits, no parity, one stop bit."""
        return not any(self.registers[offset] & bits for offset, bits in self.OTHER_FORMATS.items())

    @property
    def clocks_per_bit(self) -> float:
        """How many turns of its clock a bit takes: with oversampling by 16, that is BRR.

        Raises:
            BoardError: A setting that is reserved, or not modelled.
        """
        if self.registers[self.CONTROL] & _OVERSAMPLING_BY_8:
            raise BoardError(f"{self.name}: oversampling by 8 is not modelled")
        return self.divider(0x10, 0xFFFF)

    def divider(self, least: int, most: int) -> int:
        """The register BRR.

        Raises:
            BoardError: It is out of range.
        """
        divider = self.registers[self.DIVIDER]
        if not least <= divider <= most:
            raise BoardError(f"{self.name}: BRR {divider:#x} is outside {least:#x} to 0x{most:X}")
        return divider

    def load(self, offset: int) -> int:
        """Status and received bytes; others read back."""
        if offset == self.STATUS:
            return self.status()
        if offset == self.RECEIVED:
            return self.line.take() if self.receives else 0
        return super().load(offset)

    def store(self, offset: int, value: int) -> None:
        """Sends a byte, or keeps the configuration."""
        if offset == self.TO_SEND:
            if self.transmits:
                self.send(value & 0xFF)
        elif offset not in self.IGNORED:
            super().store(offset, value)

    def status(self) -> int:
        """The register with the flags."""
        received = self.receives and self.line.poll()
        return _SENT | (_RECEIVED if received else 0)

    @property
    def receives(self) -> bool:
        """Whether it is on, and its receiver."""
        return self._is(_RECEIVES)

    @property
    def transmits(self) -> bool:
        """Whether it is on, and its transmitter."""
        return self._is(_TRANSMITS)

    def _is(self, what: int) -> bool:
        both = self.ENABLED | what
        return self.registers[self.CONTROL] & both == both


class Usart(Stm32Uart):
    """The USART of newer chips; see :class:`SerialPort`."""

    CONTROL: ClassVar[int] = _CR1
    DIVIDER: ClassVar[int] = _BRR
    STATUS: ClassVar[int] = _ISR
    TO_SEND: ClassVar[int] = _TDR
    RECEIVED: ClassVar[int] = _RDR
    # RQR and ICR are commands: there is nothing to flush or to clear.
    IGNORED: ClassVar[frozenset[int]] = frozenset({_RQR, _ISR, _ICR, _RDR})
    ENABLED: ClassVar[int] = 1 << 0
    OTHER_FORMATS: ClassVar[Mapping[int, int]] = {
        _CR1: 1 << 28 | 1 << 12 | 1 << 10,  # M1, M0, PCE
        _CR2: 0x1F << 15 | 3 << 12,  # MSBFIRST, DATAINV, TXINV, RXINV, SWAP, STOP
    }
    FORMAT_REGISTERS: ClassVar[str] = "USART_CR1 and USART_CR2"
    NARROW_WRITES: ClassVar[frozenset[int]] = frozenset({_TDR})
    RESET_VALUES: ClassVar[Mapping[int, int]] = {
        _CR1: 0,
        _CR2: 0,
        0x08: 0,
        _BRR: 0,
        _RQR: 0,
        _ISR: _SENT,
        _ICR: 0,
        _RDR: 0,
        _TDR: 0,
        _PRESC: 0,
    }

    def status(self) -> int:
        """The register with the flags, which here tell what is ready, too."""
        ready = _SENDER_READY if self.transmits else 0
        ready |= _RECEIVER_READY if self.receives else 0
        return super().status() | ready


class Lpuart(Usart):
    """The low-power UART: a USART with another divider; see :class:`SerialPort`.

    Attributes:
        PRESCALER: What the register PRESC is called where it is used.
    """

    FORMAT_REGISTERS: ClassVar[str] = "LPUART_CR1 and LPUART_CR2"
    PRESCALER: ClassVar[str] = "a prescaler"

    @property
    def clocks_per_bit(self) -> float:
        """RM0351, "LPUART baud rate generation": BRR counts 256ths.

        Raises:
            BoardError: A setting that is reserved, or not modelled.
        """
        divider = self.divider(0x300, 0xF_FFFF)
        if self.registers[_PRESC]:
            raise BoardError(f"{self.name}: {self.PRESCALER} is not modelled")
        return divider / 256
