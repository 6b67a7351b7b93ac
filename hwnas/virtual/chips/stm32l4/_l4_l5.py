"""What STM32L4, L4+ and L5 have alike: LPUART1, and the supply of its pins."""

from __future__ import annotations

from typing import ClassVar, Final

from hwnas.boards import BoardSpec, Pin
from hwnas.errors import BoardError, BoardMismatchError
from hwnas.virtual.chips._base import Wiring
from hwnas.virtual.chips._stm32 import Stm32
from hwnas.virtual.chips.stm32l4._pwr import Pwr
from hwnas.virtual.chips.stm32l4._rcc import AHB2ENR, APB1ENR1, APB1ENR2, Rcc
from hwnas.virtual.peripherals import Lpuart

# RM0351, section "Memory map and register boundary addresses"; ST's stm32l552xx.h has the same.
RCC: Final = 0x4002_1000
FLASH: Final = 0x4002_2000
_PWR: Final = 0x4000_7000


class Stm32L4L5(Stm32):
    """An STM32L4, L4+ or L5 with its serial line on LPUART1; see :class:`Stm32`.

    Args:
        spec: See :class:`Chip`.
        wiring: See :class:`Chip`.
        rcc: Its reset and clock control.
        pwr: What its power control is.

    Attributes:
        LPUART: What its low-power UART is.
    """

    PORT_ENABLES: ClassVar[int] = AHB2ENR
    LPUART: ClassVar[type[Lpuart]] = Lpuart
    rcc: Rcc
    pwr: Pwr

    def __init__(self, spec: BoardSpec, wiring: Wiring, rcc: Rcc, pwr: type[Pwr]) -> None:
        if spec.serial.uart != "lpuart1":
            raise BoardError(
                f"{spec.name}: serial.uart {spec.serial.uart!r} is not modelled, lpuart1 is"
            )
        super().__init__(spec, wiring, rcc)
        self.pwr = pwr("PWR", _PWR, self.enabled(APB1ENR1, 28))
        self.uart = self.LPUART(
            "LPUART1", spec.serial.base, wiring.line, self.check_serial, self.enabled(APB1ENR2, 0)
        )

    @property
    def uart_hz(self) -> int:
        """See :class:`Stm32`."""
        return self.rcc.lpuart1_hz

    def check_pin(self, pin: Pin) -> None:
        """See :class:`Stm32`; PG2 to PG15 also need their own supply declared valid."""
        super().check_pin(pin)
        if pin.port == "G" and pin.number > 1 and not self.pwr.port_g_is_supplied:
            raise BoardMismatchError(
                f"{self._spec.name}: the UART's pin {pin} has no supply: PWR_CR2.IOSV is 0"
            )
