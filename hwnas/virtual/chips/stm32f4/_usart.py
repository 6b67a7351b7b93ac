"""The USART of older STM32 chips (RM0390, chapter of that name): one status, one data register."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from hwnas.virtual.peripherals import Stm32Uart

_SR, _DR, _BRR, _CR1, _CR2, _CR3 = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14


class OlderUsart(Stm32Uart):
    """See :class:`SerialPort`."""

    CONTROL: ClassVar[int] = _CR1
    DIVIDER: ClassVar[int] = _BRR
    STATUS: ClassVar[int] = _SR
    TO_SEND: ClassVar[int] = _DR
    RECEIVED: ClassVar[int] = _DR
    IGNORED: ClassVar[frozenset[int]] = frozenset({_SR})
    ENABLED: ClassVar[int] = 1 << 13
    OTHER_FORMATS: ClassVar[Mapping[int, int]] = {
        _CR1: 1 << 12 | 1 << 10,  # M, PCE
        _CR2: 1 << 14 | 3 << 12 | 1 << 11,  # LINEN, STOP, CLKEN
        _CR3: 1 << 9 | 1 << 8 | 1 << 5 | 1 << 3 | 1 << 1,  # CTSE, RTSE, SCEN, HDSEL, IREN
    }
    FORMAT_REGISTERS: ClassVar[str] = "USART_CR1 to USART_CR3"
    NARROW_WRITES: ClassVar[frozenset[int]] = frozenset({_DR})
    RESET_VALUES: ClassVar[Mapping[int, int]] = {
        _SR: 0xC0,
        _DR: 0,
        _BRR: 0,
        _CR1: 0,
        _CR2: 0,
        _CR3: 0,
        0x18: 0,
    }
