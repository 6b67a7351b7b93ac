"""The part of an STM32L5, with TrustZone off, that the firmware touches."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from hwnas.boards import BoardSpec
from hwnas.virtual.chips._base import Wiring
from hwnas.virtual.chips.stm32l4._l4_l5 import FLASH, RCC, Stm32L4L5
from hwnas.virtual.chips.stm32l5._flash import FlashController, InstructionCache
from hwnas.virtual.chips.stm32l5._pwr import Pwr
from hwnas.virtual.chips.stm32l5._rcc import Rcc
from hwnas.virtual.peripherals import CortexM33SystemControl, Peripheral, SystemControl

_ICACHE: Final = 0x4003_0400
"""As in ST's stm32l552xx.h."""


class Stm32L5(Stm32L4L5):
    """An STM32L5 with its serial line on LPUART1; see :class:`Chip`."""

    GPIO_BASE: ClassVar[int] = 0x4202_0000
    GPIO_PORTS: ClassVar[int] = 8

    def __init__(self, spec: BoardSpec, wiring: Wiring) -> None:
        super().__init__(spec, wiring, Rcc(RCC), Pwr)
        self.flash = FlashController(FLASH)
        self.icache = InstructionCache(_ICACHE, wiring.invalidate)

    def make_scs(
        self, base: int, on_reset: Callable[[], None], on_trace: Callable[[], None]
    ) -> SystemControl:
        """See :class:`Chip`."""
        return CortexM33SystemControl(base, on_reset, on_trace)

    @property
    def own_peripherals(self) -> tuple[Peripheral, ...]:
        """See :class:`Chip`."""
        return (*super().own_peripherals, self.icache)

    def check_caches(self) -> None:
        """See :class:`Stm32`."""
        if not self.icache.is_on:
            raise self.mismatch("the instruction cache is", "off or has one way", "on")
