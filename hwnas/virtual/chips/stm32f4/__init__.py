"""The part of an STM32F446 or STM32F469 that the firmware touches."""

from __future__ import annotations

from typing import ClassVar, Final

from hwnas.boards import BoardSpec
from hwnas.errors import BoardError
from hwnas.virtual.chips._base import Wiring
from hwnas.virtual.chips.stm32f4._f4_f7 import FLASH, RCC, Stm32F4F7
from hwnas.virtual.chips.stm32f4._flash import FlashController
from hwnas.virtual.chips.stm32f4._rcc import APB1ENR, Rcc
from hwnas.virtual.chips.stm32f4._usart import OlderUsart

_USARTS: Final = {"usart2": (0x4000_4400, 17), "usart3": (0x4000_4800, 18)}
"""Address, and bit of RCC_APB1ENR, of those that run from APB1."""


class Stm32F4(Stm32F4F7):
    """An STM32F446 or STM32F469 with its serial line on USART2 or USART3; see :class:`Chip`."""

    # ST's stm32f4xx_hal_rcc.c, for the STM32F446xx and STM32F469xx.
    MOST_PCLK1_HZ: ClassVar[int] = 45_000_000
    MOST_PCLK2_HZ: ClassVar[int] = 90_000_000
    flash: FlashController

    def __init__(self, spec: BoardSpec, wiring: Wiring) -> None:
        serial = spec.serial
        if serial.uart not in _USARTS:
            raise BoardError(
                f"{spec.name}: serial.uart {serial.uart!r} is not modelled, these are: "
                f"{', '.join(sorted(_USARTS))}"
            )
        base, enable = _USARTS[serial.uart]
        if serial.base != base:
            raise BoardError(
                f"{spec.name}: serial.base is {serial.base:#010x}, but {serial.uart} of this "
                f"family is at {base:#010x}"
            )
        super().__init__(spec, wiring, Rcc(RCC))
        self.flash = FlashController(FLASH, wiring.invalidate)
        self.uart = OlderUsart(
            serial.uart.upper(),
            base,
            wiring.line,
            self.check_serial,
            self.enabled(APB1ENR, enable),
        )

    def check_caches(self) -> None:
        """See :class:`Stm32`; the prefetch is checked, too."""
        if not self.flash.caches_on:
            raise self.mismatch("the flash caches are", "off", "on")
        if not self.flash.prefetch_on:
            raise self.mismatch("the flash prefetch is", "off", "on")

    @property
    def uart_hz(self) -> int:
        """See :class:`Stm32`."""
        return self.rcc.pclk1_hz
