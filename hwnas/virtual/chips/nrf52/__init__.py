"""The part of an nRF52840 that the firmware touches."""

from __future__ import annotations

from typing import Final

from hwnas.boards import BoardSpec, Pin
from hwnas.errors import BoardError, BoardMismatchError
from hwnas.virtual.chips._base import Chip, ResetCause, Wiring
from hwnas.virtual.chips.nrf52._gpio import PINS, Gpio
from hwnas.virtual.chips.nrf52._nvmc import MemoryController
from hwnas.virtual.chips.nrf52._power import CORE_HZ, Power, ResetReason
from hwnas.virtual.chips.nrf52._uart import LegacyUart
from hwnas.virtual.chips.nrf52._wdt import Watchdog
from hwnas.virtual.peripherals import Peripheral

# Addresses as in nrf52840.svd.
_POWER: Final = 0x4000_0000
_WDT: Final = 0x4001_0000
_NVMC: Final = 0x4001_E000
_GPIO: Final = 0x5000_0000
_PINS_A_PORT: Final = 32
"""By which PSEL counts, however many of them a port has."""


class Nrf52(Chip):
    """An nRF52840 with its serial line on UART0; see :class:`Chip`."""

    def __init__(self, spec: BoardSpec, wiring: Wiring) -> None:
        super().__init__(spec, wiring)
        serial = spec.serial
        if serial.uart != "uart0":
            raise BoardError(f"{spec.name}: serial.uart {serial.uart!r} is not modelled, uart0 is")
        for pin in (serial.tx, serial.rx):
            if pin is not None and pin.number >= PINS.get(pin.port, 0):
                raise BoardError(f"{spec.name}: the chip has no pin {pin}")
        self.power = Power(_POWER)
        self.nvmc = MemoryController(_NVMC, wiring.invalidate)
        self.gpio = Gpio(_GPIO, wiring.on_pin)
        self.uart = LegacyUart(serial.base, wiring.line, self.check_serial)
        self.wdt = Watchdog("WDT", _WDT)

    @property
    def own_peripherals(self) -> tuple[Peripheral, ...]:
        """See :class:`Chip`."""
        return (self.power, self.nvmc, self.gpio, self.uart, self.wdt)

    def tell_cause(self, cause: ResetCause) -> None:
        """See :class:`Chip`."""
        if cause is ResetCause.SOFTWARE:
            self.power.tell_reason(ResetReason.SOFTWARE)

    def check_clock(self) -> None:
        """See :class:`Chip`."""
        self.expect("the core runs at", CORE_HZ, self._spec.core.clock_hz, " Hz")
        if not self.power.runs_from_crystal:
            raise self.mismatch("the core's clock comes from", "the RC oscillator", "the crystal")
        if not self.nvmc.cache_on:
            raise self.mismatch("the flash's instruction cache is", "off", "on")

    def check_serial(self) -> None:
        """See :class:`Chip`."""
        self.check_baud(self.uart.baud)
        if not self.uart.is_8n1:
            raise BoardMismatchError(
                f"{self._spec.name}: the UART does not send 8 data bits, no parity and no flow "
                "control: correct UART0.CONFIG in the firmware"
            )
        tx, rx = self._spec.serial.tx, self._spec.serial.rx
        for pin, selected in zip((tx, rx), self.uart.selected(), strict=True):
            if pin is not None and selected != pin.port_number * _PINS_A_PORT + pin.number:
                raise self._pin_error(pin, "not selected")
        if tx is not None and not self.gpio.is_output(tx.port, tx.number):
            raise self._pin_error(tx, "not an output")
        if rx is not None and not self.gpio.is_input(rx.port, rx.number):
            raise self._pin_error(rx, "not a connected input")

    def _pin_error(self, pin: Pin, what: str) -> BoardMismatchError:
        return BoardMismatchError(f"{self._spec.name}: the UART's pin {pin} is {what}")
