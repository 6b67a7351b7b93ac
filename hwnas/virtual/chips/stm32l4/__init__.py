"""The part of an STM32L4 or L4+ that the firmware touches."""

from __future__ import annotations

from typing import ClassVar, Final

from hwnas.boards import BoardSpec
from hwnas.virtual.chips._base import Wiring
from hwnas.virtual.chips.stm32l4._flash import FlashController
from hwnas.virtual.chips.stm32l4._l4_l5 import FLASH, RCC, Stm32L4L5
from hwnas.virtual.chips.stm32l4._pwr import Pwr, PwrPlus
from hwnas.virtual.chips.stm32l4._rcc import Rcc, RccPlus
from hwnas.virtual.peripherals import Lpuart

_PLUS: Final = ("STM32L4P", "STM32L4Q", "STM32L4R", "STM32L4S")


class _Lpuart(Lpuart):
    """See :class:`Lpuart`; the L4 itself has no prescaler."""

    PRESCALER: ClassVar[str] = "the prescaler of the L4+"


class Stm32L4(Stm32L4L5):
    """An STM32L4 or L4+ with its serial line on LPUART1; see :class:`Chip`."""

    GPIO_BASE: ClassVar[int] = 0x4800_0000
    GPIO_PORTS: ClassVar[int] = 9
    LPUART: ClassVar[type[Lpuart]] = _Lpuart
    flash: FlashController

    def __init__(self, spec: BoardSpec, wiring: Wiring) -> None:
        plus = spec.chip.part.startswith(_PLUS)
        rcc, pwr = (RccPlus, PwrPlus) if plus else (Rcc, Pwr)
        super().__init__(spec, wiring, rcc(RCC), pwr)
        self.flash = FlashController(FLASH, wiring.invalidate)

    def check_caches(self) -> None:
        """See :class:`Stm32`."""
        if not self.flash.caches_on:
            raise self.mismatch("the flash caches are", "off", "on")
