"""The part of an STM32F76x or F77x that the firmware touches."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from hwnas.boards import BoardSpec
from hwnas.errors import BoardError, BoardMismatchError
from hwnas.virtual.chips._base import ResetCause, Wiring
from hwnas.virtual.chips._stm32 import Stm32
from hwnas.virtual.chips.stm32f4._gpio import Stm32F4Gpio
from hwnas.virtual.chips.stm32f4._rcc import AHB1ENR, APB1ENR, ResetFlag
from hwnas.virtual.chips.stm32f7._flash import FlashController
from hwnas.virtual.chips.stm32f7._pwr import Pwr
from hwnas.virtual.chips.stm32f7._rcc import Rcc
from hwnas.virtual.peripherals import (
    CortexM7SystemControl,
    Dwt,
    Gpio,
    LockedDwt,
    Peripheral,
    SystemControl,
    Uart,
)

# As in ST's stm32f767xx.h.
_USART3: Final = 0x4000_4800
_PWR: Final = 0x4000_7000
_RCC: Final = 0x4002_3800
_FLASH: Final = 0x4002_3C00

_USART3_ENABLE: Final = (APB1ENR, 18)
_PWR_ENABLE: Final = (APB1ENR, 28)
_MOST_PCLK1_HZ: Final = 54_000_000
_MOST_PCLK2_HZ: Final = 108_000_000
"""What mbed and Zephyr run the buses at, the core at its most."""
_CAUSES: Final = {
    ResetCause.POWER_ON: ResetFlag.POWER_ON | ResetFlag.BROWN_OUT | ResetFlag.PIN,
    ResetCause.SOFTWARE: ResetFlag.SOFTWARE | ResetFlag.PIN,
}


class Stm32F7(Stm32):
    """An STM32F76x or F77x with its serial line on USART3; see :class:`Chip`."""

    DWT: ClassVar[type[Dwt]] = LockedDwt
    GPIO: ClassVar[type[Gpio]] = Stm32F4Gpio
    GPIO_BASE: ClassVar[int] = 0x4002_0000
    GPIO_PORTS: ClassVar[int] = 11
    scs: CortexM7SystemControl

    def __init__(self, spec: BoardSpec, wiring: Wiring) -> None:
        serial = spec.serial
        if (serial.uart, serial.base) != ("usart3", _USART3):
            raise BoardError(
                f"{spec.name}: serial.uart {serial.uart!r} at {serial.base:#010x} is not modelled, "
                f"usart3 at {_USART3:#010x} is"
            )
        self.rcc = Rcc(_RCC, spec.core.external_clock_hz)
        super().__init__(spec, wiring)
        self.flash = FlashController("FLASH", _FLASH)
        self.pwr = Pwr(
            _PWR,
            self._enabled(_PWR_ENABLE),
            lambda: self.rcc.pll_on,
            lambda: self.rcc.core_on_pll,
        )
        self.usart = Uart(
            "USART3", serial.base, self._enabled(_USART3_ENABLE), wiring.line, self.check_serial
        )

    def make_scs(
        self, base: int, on_reset: Callable[[], None], on_trace: Callable[[], None]
    ) -> SystemControl:
        """See :class:`Chip`."""
        core = self._spec.core
        return CortexM7SystemControl(
            base, on_reset, on_trace, core.instruction_cache, core.data_cache
        )

    @property
    def own_peripherals(self) -> tuple[Peripheral, ...]:
        """See :class:`Chip`."""
        return (self.rcc, self.flash, self.pwr, *self.gpio.values(), self.usart, self.iwdg)

    def port_clock(self, index: int) -> Callable[[], bool]:
        """See :class:`Stm32`."""
        return self._enabled((AHB1ENR, index))

    def tell_cause(self, cause: ResetCause) -> None:
        """See :class:`Chip`."""
        self.rcc.tell_cause(_CAUSES[cause])

    def check_clock(self) -> None:
        """See :class:`Chip`; over-drive, the buses' limits and the caches are checked, too."""
        found = self.rcc.hclk_hz
        self.expect("the core runs at", found, self._spec.core.clock_hz, " Hz")
        for what, hz, most in (
            ("core", found, self.pwr.most_hz),
            ("bus APB1", self.rcc.pclk1_hz, _MOST_PCLK1_HZ),
            ("bus APB2", self.rcc.pclk2_hz, _MOST_PCLK2_HZ),
        ):
            if hz > most:
                raise BoardMismatchError(
                    f"{self._spec.name}: the {what} runs at {hz} Hz, more than the {most} Hz that "
                    "it bears as voltage scale and over-drive are set: correct the firmware"
                )
        self.expect("flash wait states are", self.flash.wait_states, self._spec.flash.wait_states)
        for name, on, cache in (
            ("instruction", self.scs.instruction_cache_on, self._spec.core.instruction_cache),
            ("data", self.scs.data_cache_on, self._spec.core.data_cache),
        ):
            self.expect(f"the {name} cache is", _switch(on), _switch(cache is not None))

    def check_serial(self) -> None:
        """See :class:`Chip`."""
        self.check_baud(self._baud())
        if not self.usart.is_8n1:
            raise BoardMismatchError(
                f"{self._spec.name}: the UART does not send 8 data bits, no parity and one stop "
                "bit: correct USART_CR1 and USART_CR2 in the firmware"
            )
        self.check_uart_pins()

    def _baud(self) -> float:
        """RM0410, chapter on the USART: clock / USART_BRR, with oversampling by 16."""
        divider = self.usart.divider
        if self.usart.oversamples_by_8:
            raise BoardError("USART3: oversampling by 8 is not modelled")
        if not 0x10 <= divider <= 0xFFFF:
            raise BoardError(f"USART3: BRR {divider:#x} is outside 0x10 to 0xFFFF")
        return self.rcc.usart3_hz / divider

    def _enabled(self, bit: tuple[int, int]) -> Callable[[], bool]:
        return lambda: self.rcc.is_on(*bit)


def _switch(on: bool) -> str:
    return "on" if on else "off"
