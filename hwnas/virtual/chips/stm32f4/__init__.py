"""The part of an STM32F446 or STM32F469 that the firmware touches."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from hwnas.boards import BoardSpec
from hwnas.errors import BoardError, BoardMismatchError
from hwnas.virtual.chips._base import ResetCause, Wiring
from hwnas.virtual.chips._stm32 import Stm32
from hwnas.virtual.chips.stm32f4._flash import FlashController
from hwnas.virtual.chips.stm32f4._gpio import Stm32F4Gpio
from hwnas.virtual.chips.stm32f4._pwr import Pwr
from hwnas.virtual.chips.stm32f4._rcc import AHB1ENR, APB1ENR, Rcc, ResetFlag
from hwnas.virtual.chips.stm32f4._usart import Usart
from hwnas.virtual.peripherals import Gpio, Peripheral

# RM0390, "Memory map"; RM0386 has the same.
_RCC: Final = 0x4002_3800
_FLASH: Final = 0x4002_3C00
_PWR: Final = 0x4000_7000
_USARTS: Final = {"usart2": (0x4000_4400, (APB1ENR, 17)), "usart3": (0x4000_4800, (APB1ENR, 18))}
"""Address and clock enable of those that run from APB1."""

_PWR_ENABLE: Final = (APB1ENR, 28)
_MOST_PCLK1_HZ: Final = 45_000_000
_MOST_PCLK2_HZ: Final = 90_000_000
"""ST's stm32f4xx_hal_rcc.c, for the STM32F446xx and STM32F469xx."""
_CAUSES: Final = {
    ResetCause.POWER_ON: ResetFlag.POWER_ON | ResetFlag.BROWN_OUT | ResetFlag.PIN,
    ResetCause.SOFTWARE: ResetFlag.SOFTWARE | ResetFlag.PIN,
}


class Stm32F4(Stm32):
    """An STM32F446 or STM32F469 with its serial line on USART2 or USART3; see :class:`Chip`."""

    GPIO: ClassVar[type[Gpio]] = Stm32F4Gpio
    GPIO_BASE: ClassVar[int] = 0x4002_0000
    GPIO_PORTS: ClassVar[int] = 11

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
        self.rcc = Rcc(_RCC)
        super().__init__(spec, wiring)
        self.flash = FlashController(_FLASH, wiring.invalidate)
        self.pwr = Pwr(
            _PWR,
            self._enabled(_PWR_ENABLE),
            lambda: self.rcc.pll_on,
            lambda: self.rcc.core_on_pll,
        )
        self.usart = Usart(
            serial.uart.upper(), base, self._enabled(enable), wiring.line, self.check_serial
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
        """See :class:`Chip`; over-drive, the buses' limits and the prefetch are checked, too."""
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
        if not self.flash.caches_on:
            raise self.mismatch("the flash caches are", "off", "on")
        if not self.flash.prefetch_on:
            raise self.mismatch("the flash prefetch is", "off", "on")

    def check_serial(self) -> None:
        """See :class:`Chip`."""
        self.check_baud(self._baud())
        if not self.usart.is_8n1:
            raise BoardMismatchError(
                f"{self._spec.name}: the UART does not send 8 data bits, no parity and one stop "
                "bit: correct USART_CR1 to USART_CR3 in the firmware"
            )
        self.check_uart_pins()

    def _baud(self) -> float:
        """RM0390, "Fractional baud rate generation", with oversampling by 16."""
        name, divider = self.usart.name, self.usart.divider
        if self.usart.oversamples_by_8:
            raise BoardError(f"{name}: oversampling by 8 is not modelled")
        if not 0x10 <= divider <= 0xFFFF:
            raise BoardError(f"{name}: BRR {divider:#x} is outside 0x10 to 0xFFFF")
        return self.rcc.pclk1_hz / divider

    def _enabled(self, bit: tuple[int, int]) -> Callable[[], bool]:
        return lambda: self.rcc.is_on(*bit)
