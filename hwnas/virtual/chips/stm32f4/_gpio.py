"""Ports of the STM32F4: as newer ones, but pins start as inputs (RM0390, "GPIO registers")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from hwnas.virtual.peripherals import Gpio

_MODER, _OSPEEDR, _PUPDR, _BRR, _ASCR = 0x00, 0x08, 0x0C, 0x28, 0x2C
_DEBUG_PORTS: Final[Mapping[str, Mapping[int, int]]] = {
    "GPIOA": {_MODER: 0xA800_0000, _PUPDR: 0x6400_0000},
    "GPIOB": {_MODER: 0x280, _OSPEEDR: 0xC0, _PUPDR: 0x100},
}
"""Their debug pins (PA13 to PA15, PB3 and PB4) start in the debug port's service."""


class Stm32F4Gpio(Gpio):
    """One port; see :class:`Gpio`. It has no bit reset register BRR."""

    RESET_VALUES: ClassVar[Mapping[int, int]] = {
        offset: value for offset, value in Gpio.RESET_VALUES.items() if offset not in (_BRR, _ASCR)
    } | {_MODER: 0}

    def reset(self) -> None:
        """Gives all registers their reset values."""
        super().reset()
        self.registers.update(_DEBUG_PORTS.get(self.name, {}))
