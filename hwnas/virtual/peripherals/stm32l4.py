"""The part of an STM32L4 that the firmware touches."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Final

from hwnas.boards import BoardSpec, Pin
from hwnas.errors import BoardError, BoardMismatchError
from hwnas.virtual.peripherals._base import Peripheral, PinLevel
from hwnas.virtual.peripherals.dwt import Dwt
from hwnas.virtual.peripherals.flash import FlashController
from hwnas.virtual.peripherals.gpio import PINS, Gpio
from hwnas.virtual.peripherals.iwdg import Iwdg
from hwnas.virtual.peripherals.lpuart import Lpuart
from hwnas.virtual.peripherals.pwr import Pwr
from hwnas.virtual.peripherals.rcc import AHB2ENR, APB1ENR1, APB1ENR2, Rcc, ResetCause
from hwnas.virtual.peripherals.scs import SystemControl
from hwnas.virtual.serial_line import SerialLine

# RM0351, section "Memory map and register boundary addresses".
_RCC: Final = 0x4002_1000
_FLASH: Final = 0x4002_2000
_PWR: Final = 0x4000_7000
_IWDG: Final = 0x4000_3000
_GPIO: Final = 0x4800_0000
_GPIO_STEP: Final = 0x400
_GPIO_PORTS: Final = string.ascii_uppercase[:9]
# Armv7-M manual, section B3.1: the private peripheral bus.
_DWT: Final = 0xE000_1000
_SCS: Final = 0xE000_E000

_PWR_ENABLE: Final = (APB1ENR1, 28)
_LPUART1_ENABLE: Final = (APB1ENR2, 0)
_RANGE_2_HZ: Final = 26_000_000
"""DS11585, "General operating conditions": most in voltage range 2."""
_BAUD_TOLERANCE: Final = 0.02
"""Half of what a UART with 16-fold oversampling can bear, RM0351 "Tolerance of the receiver"."""


class Stm32L4:
    """The peripherals of one chip, wired to each other and to the board around it.

    Args:
        spec: The board, against which clock, flash and serial line are checked.
        line: The serial line to the host.
        cycles: The core's cycles so far; a call freezes them.
        invalidate: Empties the flash accelerator's caches: (instructions, data).
        on_reset: Called when the code asks for a system reset.
        on_pin: Called for each output that changes.

    Raises:
        BoardError: The board's serial line is on a peripheral or pin that is not modelled.
    """

    def __init__(
        self,
        spec: BoardSpec,
        *,
        line: SerialLine,
        cycles: Callable[[], int],
        invalidate: Callable[[bool, bool], None],
        on_reset: Callable[[], None],
        on_pin: Callable[[PinLevel], None],
    ) -> None:
        if spec.serial.uart != "lpuart1":
            raise BoardError(
                f"{spec.name}: serial.uart {spec.serial.uart!r} is not modelled, lpuart1 is"
            )
        for pin in (spec.serial.tx, spec.serial.rx):
            if pin is not None and (pin.port not in _GPIO_PORTS or pin.number >= PINS):
                raise BoardError(f"{spec.name}: the chip has no pin P{pin.port}{pin.number}")
        self._spec = spec
        self.rcc = Rcc(_RCC)
        self.flash = FlashController(_FLASH, invalidate)
        self.pwr = Pwr("PWR", _PWR, self._enabled(_PWR_ENABLE))
        self.gpio = {
            port: Gpio(port, _GPIO + index * _GPIO_STEP, self._enabled((AHB2ENR, index)), on_pin)
            for index, port in enumerate(_GPIO_PORTS)
        }
        self.lpuart = Lpuart(
            spec.serial.base, self._enabled(_LPUART1_ENABLE), line, self.check_serial
        )
        self.iwdg = Iwdg("IWDG", _IWDG)
        self.scs = SystemControl(_SCS, on_reset, lambda: self.dwt.update())
        self.dwt = Dwt(_DWT, cycles, lambda: self.scs.tracing, self.check_clock)

    @property
    def peripherals(self) -> tuple[Peripheral, ...]:
        """All of them."""
        return (
            self.rcc, self.flash, self.pwr, *self.gpio.values(), self.lpuart, self.iwdg,
            self.scs, self.dwt,
        )  # fmt: skip

    def reset(self, cause: ResetCause) -> None:
        """Does what a reset does, and makes its cause known to the code."""
        for peripheral in self.peripherals:
            peripheral.reset()
        self.rcc.tell_cause(cause)

    def check_clock(self) -> None:
        """Raises unless core and flash run as the board file says, on which cycles rest.

        Raises:
            BoardMismatchError: Another clock, other wait states, or caches that are off.
        """
        wanted, found = self._spec.core.clock_hz, self.rcc.hclk_hz
        if found != wanted:
            raise self._mismatch("the core runs at", f"{found} Hz", f"{wanted} Hz")
        if self.pwr.voltage_range != 1 and found > _RANGE_2_HZ:
            raise self._mismatch("the voltage range is", str(self.pwr.voltage_range), "1")
        states = self._spec.flash.wait_states
        if self.flash.wait_states != states:
            raise self._mismatch("flash wait states are", str(self.flash.wait_states), str(states))
        if not self.flash.caches_on:
            raise self._mismatch("the flash caches are", "off", "on")

    def check_serial(self) -> None:
        """Raises unless the host would understand what the UART sends.

        Raises:
            BoardMismatchError: Another baud rate or format of bytes, or pins that do not serve
                the UART.
        """
        serial = self._spec.serial
        baud = self.lpuart.baud(self.rcc.lpuart1_hz)
        if abs(baud / serial.baud - 1) > _BAUD_TOLERANCE:
            raise self._mismatch("the UART runs at", f"{baud:.0f} baud", f"{serial.baud} baud")
        if not self.lpuart.is_8n1:
            raise BoardMismatchError(
                f"{self._spec.name}: the UART does not send 8 data bits, no parity and one stop "
                "bit: correct LPUART_CR1 and LPUART_CR2 in the firmware"
            )
        for pin in (serial.tx, serial.rx):
            if pin is not None:
                self._check_pin(pin)

    def _check_pin(self, pin: Pin) -> None:
        name = f"P{pin.port}{pin.number}"
        function = pin.alternate_function
        if function is not None and not self.gpio[pin.port].serves(pin.number, function):
            raise BoardMismatchError(
                f"{self._spec.name}: the UART's pin {name} is not switched to alternate function "
                f"{function}"
            )
        if pin.port == "G" and pin.number > 1 and not self.pwr.port_g_is_supplied:
            raise BoardMismatchError(
                f"{self._spec.name}: the UART's pin {name} has no supply: PWR_CR2.IOSV is 0"
            )

    def _mismatch(self, what: str, found: str, wanted: str) -> BoardMismatchError:
        return BoardMismatchError(
            f"{self._spec.name}: {what} {found}, the board file says {wanted}: correct the "
            "firmware or the board file"
        )

    def _enabled(self, bit: tuple[int, int]) -> Callable[[], bool]:
        return lambda: self.rcc.is_on(*bit)
