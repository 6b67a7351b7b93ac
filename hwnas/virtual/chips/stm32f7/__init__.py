"""The part of an STM32F76x or F77x that the firmware touches."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from hwnas.boards import BoardSpec
from hwnas.errors import BoardError
from hwnas.virtual.chips._base import Wiring
from hwnas.virtual.chips.stm32f4._f4_f7 import FLASH, RCC, Stm32F4F7
from hwnas.virtual.chips.stm32f4._pwr import Pwr as Stm32F4Pwr
from hwnas.virtual.chips.stm32f4._rcc import APB1ENR
from hwnas.virtual.chips.stm32f7._flash import FlashController
from hwnas.virtual.chips.stm32f7._pwr import Pwr
from hwnas.virtual.chips.stm32f7._rcc import Rcc
from hwnas.virtual.peripherals import CortexM7SystemControl, Dwt, LockedDwt, SystemControl, Usart

# As in ST's stm32f767xx.h.
_USART3: Final = 0x4000_4800
_USART3_ENABLE: Final = 18


class Stm32F7(Stm32F4F7):
    """An STM32F76x or F77x with its serial line on USART3; see :class:`Chip`."""

    DWT: ClassVar[type[Dwt]] = LockedDwt
    PWR: ClassVar[type[Stm32F4Pwr]] = Pwr
    # What mbed and Zephyr run the buses at, the core at its most.
    MOST_PCLK1_HZ: ClassVar[int] = 54_000_000
    MOST_PCLK2_HZ: ClassVar[int] = 108_000_000
    scs: CortexM7SystemControl
    rcc: Rcc

    def __init__(self, spec: BoardSpec, wiring: Wiring) -> None:
        serial = spec.serial
        if (serial.uart, serial.base) != ("usart3", _USART3):
            raise BoardError(
                f"{spec.name}: serial.uart {serial.uart!r} at {serial.base:#010x} is not modelled, "
                f"usart3 at {_USART3:#010x} is"
            )
        super().__init__(spec, wiring, Rcc(RCC, spec.core.external_clock_hz))
        self.flash = FlashController(FLASH)
        self.uart = Usart(
            "USART3",
            serial.base,
            wiring.line,
            self.check_serial,
            self.enabled(APB1ENR, _USART3_ENABLE),
        )

    def make_scs(
        self, base: int, on_reset: Callable[[], None], on_trace: Callable[[], None]
    ) -> SystemControl:
        """See :class:`Chip`."""
        core = self._spec.core
        return CortexM7SystemControl(
            base, on_reset, on_trace, core.instruction_cache, core.data_cache
        )

    def check_caches(self) -> None:
        """See :class:`Stm32`; they are the core's."""
        for name, on, cache in (
            ("instruction", self.scs.instruction_cache_on, self._spec.core.instruction_cache),
            ("data", self.scs.data_cache_on, self._spec.core.data_cache),
        ):
            self.expect(f"the {name} cache is", _switch(on), _switch(cache is not None))

    @property
    def uart_hz(self) -> int:
        """See :class:`Stm32`."""
        return self.rcc.usart3_hz


def _switch(on: bool) -> str:
    return "on" if on else "off"
