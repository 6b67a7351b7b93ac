"""The part of an STM32L4 or L4+ that the firmware touches."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from hwnas.boards import BoardSpec, Pin
from hwnas.errors import BoardError, BoardMismatchError
from hwnas.virtual.chips._base import ResetCause, Wiring
from hwnas.virtual.chips._stm32 import Stm32
from hwnas.virtual.chips.stm32l4._flash import FlashController
from hwnas.virtual.chips.stm32l4._pwr import Pwr, PwrPlus
from hwnas.virtual.chips.stm32l4._rcc import AHB2ENR, APB1ENR1, APB1ENR2, Rcc, RccPlus, ResetFlag
from hwnas.virtual.peripherals import Peripheral, Uart

# RM0351, section "Memory map and register boundary addresses".
_RCC: Final = 0x4002_1000
_FLASH: Final = 0x4002_2000
_PWR: Final = 0x4000_7000

_PWR_ENABLE: Final = (APB1ENR1, 28)
_LPUART1_ENABLE: Final = (APB1ENR2, 0)
_PRESC: Final = 0x2C
_RANGE_2_HZ: Final = 26_000_000
"""DS11585, "General operating conditions": most in voltage range 2."""
_NORMAL_HZ: Final = 80_000_000
_BOOSTED_HZ: Final = 120_000_000
"""ST's stm32l4xx_hal_pwr_ex.c: most in range 1, and in its boost mode."""
_PLUS: Final = ("STM32L4P", "STM32L4Q", "STM32L4R", "STM32L4S")
_CAUSES: Final = {
    ResetCause.POWER_ON: ResetFlag.BROWN_OUT | ResetFlag.PIN,
    ResetCause.SOFTWARE: ResetFlag.SOFTWARE | ResetFlag.PIN,
}


class Stm32L4(Stm32):
    """An STM32L4 or L4+ with its serial line on LPUART1; see :class:`Chip`."""

    GPIO_BASE: ClassVar[int] = 0x4800_0000
    GPIO_PORTS: ClassVar[int] = 9

    def __init__(self, spec: BoardSpec, wiring: Wiring) -> None:
        if spec.serial.uart != "lpuart1":
            raise BoardError(
                f"{spec.name}: serial.uart {spec.serial.uart!r} is not modelled, lpuart1 is"
            )
        plus = spec.chip.part.startswith(_PLUS)
        self.rcc = RccPlus(_RCC) if plus else Rcc(_RCC)
        super().__init__(spec, wiring)
        self.flash = FlashController(_FLASH, wiring.invalidate)
        pwr = PwrPlus if plus else Pwr
        self.pwr = pwr("PWR", _PWR, self._enabled(_PWR_ENABLE))
        self.lpuart = Uart(
            "LPUART1",
            spec.serial.base,
            self._enabled(_LPUART1_ENABLE),
            wiring.line,
            self.check_serial,
        )

    @property
    def own_peripherals(self) -> tuple[Peripheral, ...]:
        """See :class:`Chip`."""
        return (self.rcc, self.flash, self.pwr, *self.gpio.values(), self.lpuart, self.iwdg)

    def port_clock(self, index: int) -> Callable[[], bool]:
        """See :class:`Stm32`."""
        return self._enabled((AHB2ENR, index))

    def tell_cause(self, cause: ResetCause) -> None:
        """See :class:`Chip`."""
        self.rcc.tell_cause(_CAUSES[cause])

    def check_clock(self) -> None:
        """See :class:`Chip`."""
        found = self.rcc.hclk_hz
        self.expect("the core runs at", found, self._spec.core.clock_hz, " Hz")
        if found > _RANGE_2_HZ:
            self.expect("the voltage range is", self.pwr.voltage_range, 1)
        most = self._most_hz()
        if found > most:
            raise BoardMismatchError(
                f"{self._spec.name}: the core runs at {found} Hz, more than the {most} Hz that it "
                "bears as the voltage is set: correct the firmware or the board file"
            )
        self.expect("flash wait states are", self.flash.wait_states, self._spec.flash.wait_states)
        if not self.flash.caches_on:
            raise self.mismatch("the flash caches are", "off", "on")

    def check_serial(self) -> None:
        """See :class:`Chip`."""
        self.check_baud(self._baud())
        if not self.lpuart.is_8n1:
            raise BoardMismatchError(
                f"{self._spec.name}: the UART does not send 8 data bits, no parity and one stop "
                "bit: correct LPUART_CR1 and LPUART_CR2 in the firmware"
            )
        self.check_uart_pins()

    def check_pin(self, pin: Pin) -> None:
        """See :class:`Stm32`; PG2 to PG15 also need their own supply declared valid."""
        super().check_pin(pin)
        if pin.port == "G" and pin.number > 1 and not self.pwr.port_g_is_supplied:
            raise BoardMismatchError(
                f"{self._spec.name}: the UART's pin P{pin.port}{pin.number} has no supply: "
                "PWR_CR2.IOSV is 0"
            )

    def _most_hz(self) -> int:
        boosted = isinstance(self.pwr, PwrPlus) and self.pwr.boosted
        return _BOOSTED_HZ if boosted else _NORMAL_HZ

    def _baud(self) -> float:
        """RM0351, "LPUART baud rate generation": 256 * clock / LPUART_BRR."""
        divider = self.lpuart.divider
        if not 0x300 <= divider <= 0xF_FFFF:
            raise BoardError(f"LPUART1: BRR {divider:#x} is outside 0x300 to 0xFFFFF")
        if self.lpuart.registers[_PRESC]:
            raise BoardError("LPUART1: the prescaler of the L4+ is not modelled")
        return 256 * self.rcc.lpuart1_hz / divider

    def _enabled(self, bit: tuple[int, int]) -> Callable[[], bool]:
        return lambda: self.rcc.is_on(*bit)
