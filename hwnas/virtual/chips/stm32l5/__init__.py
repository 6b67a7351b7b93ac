"""The part of an STM32L5, with TrustZone off, that the firmware touches."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from hwnas.boards import BoardSpec, Pin
from hwnas.errors import BoardError, BoardMismatchError
from hwnas.virtual.chips._base import ResetCause, Wiring
from hwnas.virtual.chips._stm32 import Stm32
from hwnas.virtual.chips.stm32l4._rcc import AHB2ENR, APB1ENR1, APB1ENR2, ResetFlag
from hwnas.virtual.chips.stm32l5._flash import FlashController, InstructionCache
from hwnas.virtual.chips.stm32l5._pwr import MOST_HZ, Pwr
from hwnas.virtual.chips.stm32l5._rcc import Rcc
from hwnas.virtual.peripherals import CortexM33SystemControl, Peripheral, SystemControl, Uart

# As in ST's stm32l552xx.h.
_PWR: Final = 0x4000_7000
_RCC: Final = 0x4002_1000
_FLASH: Final = 0x4002_2000
_ICACHE: Final = 0x4003_0400

_PWR_ENABLE: Final = (APB1ENR1, 28)
_LPUART1_ENABLE: Final = (APB1ENR2, 0)
_PRESC: Final = 0x2C
_CAUSES: Final = {
    ResetCause.POWER_ON: ResetFlag.BROWN_OUT | ResetFlag.PIN,
    ResetCause.SOFTWARE: ResetFlag.SOFTWARE | ResetFlag.PIN,
}


class Stm32L5(Stm32):
    """An STM32L5 with its serial line on LPUART1; see :class:`Chip`."""

    GPIO_BASE: ClassVar[int] = 0x4202_0000
    GPIO_PORTS: ClassVar[int] = 8

    def __init__(self, spec: BoardSpec, wiring: Wiring) -> None:
        if spec.serial.uart != "lpuart1":
            raise BoardError(
                f"{spec.name}: serial.uart {spec.serial.uart!r} is not modelled, lpuart1 is"
            )
        self.rcc = Rcc(_RCC)
        super().__init__(spec, wiring)
        self.flash = FlashController("FLASH", _FLASH)
        self.icache = InstructionCache(_ICACHE, wiring.invalidate)
        self.pwr = Pwr("PWR", _PWR, self._enabled(_PWR_ENABLE))
        self.lpuart = Uart(
            "LPUART1",
            spec.serial.base,
            self._enabled(_LPUART1_ENABLE),
            wiring.line,
            self.check_serial,
        )

    def make_scs(
        self, base: int, on_reset: Callable[[], None], on_trace: Callable[[], None]
    ) -> SystemControl:
        """See :class:`Chip`."""
        return CortexM33SystemControl(base, on_reset, on_trace)

    @property
    def own_peripherals(self) -> tuple[Peripheral, ...]:
        """See :class:`Chip`."""
        return (
            self.rcc,
            self.flash,
            self.icache,
            self.pwr,
            *self.gpio.values(),
            self.lpuart,
            self.iwdg,
        )

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
        voltage = self.pwr.voltage_range
        if found > MOST_HZ.get(voltage, 0):
            slowest = max(number for number, most in MOST_HZ.items() if found <= most)
            raise self.mismatch("the voltage range is", f"{voltage}", f"{found} Hz: {slowest}")
        self.expect("flash wait states are", self.flash.wait_states, self._spec.flash.wait_states)
        if not self.icache.is_on:
            raise self.mismatch("the instruction cache is", "off or has one way", "on")

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
                f"{self._spec.name}: the UART's pin {pin} has no supply: PWR_CR2.IOSV is 0"
            )

    def _baud(self) -> float:
        """256 * clock / LPUART_BRR, as in the STM32L4."""
        divider = self.lpuart.divider
        if not 0x300 <= divider <= 0xF_FFFF:
            raise BoardError(f"LPUART1: BRR {divider:#x} is outside 0x300 to 0xFFFFF")
        if self.lpuart.registers[_PRESC]:
            raise BoardError("LPUART1: a prescaler is not modelled")
        return 256 * self.rcc.lpuart1_hz / divider

    def _enabled(self, bit: tuple[int, int]) -> Callable[[], bool]:
        return lambda: self.rcc.is_on(*bit)
