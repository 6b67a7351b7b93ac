"""The part of an STM32L4 or L4+ that the firmware touches."""

from __future__ import annotations

from typing import ClassVar, Final

from hwnas.boards import BoardSpec
from hwnas.errors import BoardMismatchError
from hwnas.virtual.chips._base import Wiring
from hwnas.virtual.chips.stm32l4._flash import FlashController
from hwnas.virtual.chips.stm32l4._l4_l5 import FLASH, RCC, Stm32L4L5
from hwnas.virtual.chips.stm32l4._pwr import Pwr, PwrPlus
from hwnas.virtual.chips.stm32l4._rcc import Rcc, RccPlus
from hwnas.virtual.peripherals import Lpuart

_RANGE_2_HZ: Final = 26_000_000
"""DS11585, "General operating conditions": most in voltage range 2."""
_NORMAL_HZ: Final = 80_000_000
_BOOSTED_HZ: Final = 120_000_000
"""ST's stm32l4xx_hal_pwr_ex.c: most in range 1, and in its boost mode."""
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

    def check_limits(self) -> None:
        """See :class:`Stm32`."""
        found = self.rcc.hclk_hz
        if found > _RANGE_2_HZ:
            self.expect("the voltage range is", self.pwr.voltage_range, 1)
        boosted = isinstance(self.pwr, PwrPlus) and self.pwr.boosted
        most = _BOOSTED_HZ if boosted else _NORMAL_HZ
        if found > most:
            raise BoardMismatchError(
                f"{self._spec.name}: the core runs at {found} Hz, more than the {most} Hz that it "
                "bears as the voltage is set: correct the firmware or the board file"
            )

    def check_caches(self) -> None:
        """See :class:`Stm32`."""
        if not self.flash.caches_on:
            raise self.mismatch("the flash caches are", "off", "on")
