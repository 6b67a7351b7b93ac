"""What STM32F4 and STM32F7 have alike: ports, over-drive, the limits of their buses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from hwnas.boards import BoardSpec
from hwnas.virtual.chips._base import Wiring
from hwnas.virtual.chips._stm32 import Stm32
from hwnas.virtual.chips.stm32f4._gpio import Stm32F4Gpio
from hwnas.virtual.chips.stm32f4._pwr import Pwr
from hwnas.virtual.chips.stm32f4._rcc import AHB1ENR, APB1ENR, Rcc
from hwnas.virtual.peripherals import Gpio

# RM0390, "Memory map"; RM0386 and ST's stm32f767xx.h have the same.
RCC: Final = 0x4002_3800
FLASH: Final = 0x4002_3C00
_PWR: Final = 0x4000_7000


class Stm32F4F7(Stm32):
    """An STM32F4 or STM32F7; see :class:`Stm32`.

    Attributes:
        PWR: What its power control is.
        MOST_PCLK1_HZ: Most that the bus APB1 bears.
        MOST_PCLK2_HZ: Most that the bus APB2 bears.
    """

    GPIO: ClassVar[type[Gpio]] = Stm32F4Gpio
    GPIO_BASE: ClassVar[int] = 0x4002_0000
    GPIO_PORTS: ClassVar[int] = 11
    PORT_ENABLES: ClassVar[int] = AHB1ENR
    PWR: ClassVar[type[Pwr]] = Pwr
    MOST_PCLK1_HZ: ClassVar[int]
    MOST_PCLK2_HZ: ClassVar[int]
    rcc: Rcc
    pwr: Pwr

    def __init__(self, spec: BoardSpec, wiring: Wiring, rcc: Rcc) -> None:
        super().__init__(spec, wiring, rcc)
        self.pwr = self.PWR(
            _PWR, self.enabled(APB1ENR, 28), lambda: rcc.pll_on, lambda: rcc.core_on_pll
        )

    @property
    def limits(self) -> Sequence[tuple[str, int, int]]:
        """See :class:`Stm32`; the buses have limits, too."""
        return [
            *super().limits,
            ("bus APB1", self.rcc.pclk1_hz, self.MOST_PCLK1_HZ),
            ("bus APB2", self.rcc.pclk2_hz, self.MOST_PCLK2_HZ),
        ]
