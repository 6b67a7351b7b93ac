"""What the families of STM32 chips have alike, and what is checked in all of them."""

from __future__ import annotations

import string
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from hwnas.boards import BoardSpec, Pin
from hwnas.errors import BoardError, BoardMismatchError
from hwnas.virtual.chips._base import Chip, ResetCause, Wiring
from hwnas.virtual.chips._stm32_flash import Stm32Flash
from hwnas.virtual.chips._stm32_pwr import Stm32Pwr
from hwnas.virtual.chips._stm32_rcc import Stm32Rcc
from hwnas.virtual.peripherals import PINS, Gpio, Iwdg, Peripheral, Stm32Uart

_GPIO_STEP: Final = 0x400
_IWDG: Final = 0x4000_3000
"""At one address in all families: "Memory map and register boundary addresses"."""


class Stm32(Chip):
    """An STM32 of any family.

    A family makes its own ``flash``, ``pwr`` and ``uart``.

    Args:
        spec: See :class:`Chip`.
        wiring: See :class:`Chip`.
        rcc: Its reset and clock control.

    Attributes:
        GPIO: What a port is.
        GPIO_BASE: Address of port A.
        GPIO_PORTS: How many ports there are, from A on.
        PORT_ENABLES: Register of RCC whose bits, from 0 on, are the ports' clocks.
    """

    GPIO: ClassVar[type[Gpio]] = Gpio
    GPIO_BASE: ClassVar[int]
    GPIO_PORTS: ClassVar[int]
    PORT_ENABLES: ClassVar[int]
    flash: Stm32Flash
    pwr: Stm32Pwr
    uart: Stm32Uart

    def __init__(self, spec: BoardSpec, wiring: Wiring, rcc: Stm32Rcc) -> None:
        super().__init__(spec, wiring)
        ports = string.ascii_uppercase[: self.GPIO_PORTS]
        for pin in (spec.serial.tx, spec.serial.rx):
            if pin is not None and (pin.port not in ports or pin.number >= PINS):
                raise BoardError(f"{spec.name}: the chip has no pin P{pin.port}{pin.number}")
        self.rcc = rcc
        self.iwdg = Iwdg("IWDG", _IWDG)
        self.gpio = {
            port: self.GPIO(
                port,
                self.GPIO_BASE + index * _GPIO_STEP,
                self.enabled(self.PORT_ENABLES, index),
                wiring.on_pin,
            )
            for index, port in enumerate(ports)
        }

    @property
    def own_peripherals(self) -> tuple[Peripheral, ...]:
        """See :class:`Chip`."""
        return (self.rcc, self.flash, self.pwr, *self.gpio.values(), self.uart, self.iwdg)

    def enabled(self, register: int, bit: int) -> Callable[[], bool]:
        """What tells whether a clock is on, by its enable bit in RCC."""
        return lambda: self.rcc.is_on(register, bit)

    def tell_cause(self, cause: ResetCause) -> None:
        """See :class:`Chip`."""
        self.rcc.tell_cause(cause)

    def check_clock(self) -> None:
        """See :class:`Chip`."""
        self.expect("the core runs at", self.rcc.hclk_hz, self._spec.core.clock_hz, " Hz")
        self.check_limits()
        self.expect("flash wait states are", self.flash.wait_states, self._spec.flash.wait_states)
        self.check_caches()

    @property
    def limits(self) -> Sequence[tuple[str, int, int]]:
        """What is clocked, at which frequency, and the most that it bears, in hertz."""
        return [("core", self.rcc.hclk_hz, self.pwr.most_hz)]

    def check_limits(self) -> None:
        """Raises unless the chip bears its clocks, as its voltages are set.

        Raises:
            BoardMismatchError: One is too fast.
        """
        for what, hz, most in self.limits:
            if hz > most:
                raise BoardMismatchError(
                    f"{self._spec.name}: the {what} runs at {hz} Hz, more than the {most} Hz that "
                    "it bears as the voltages are set: correct the firmware or the board file"
                )

    @abstractmethod
    def check_caches(self) -> None:
        """Raises unless what makes flash and memories faster is on.

        Raises:
            BoardMismatchError: It is not.
        """

    def check_serial(self) -> None:
        """See :class:`Chip`."""
        clocks_per_bit = self.uart.clocks_per_bit
        self.check_baud(self.uart_hz / clocks_per_bit)
        if not self.uart.is_8n1:
            raise BoardMismatchError(
                f"{self._spec.name}: the UART does not send 8 data bits, no parity and one stop "
                f"bit: correct {self.uart.FORMAT_REGISTERS} in the firmware"
            )
        self.check_uart_pins()

    @property
    @abstractmethod
    def uart_hz(self) -> int:
        """Frequency of the UART's clock, in hertz."""

    def check_uart_pins(self) -> None:
        """Raises unless the board's pins are switched to its UART.

        Raises:
            BoardMismatchError: One is not.
        """
        for pin in (self._spec.serial.tx, self._spec.serial.rx):
            if pin is not None:
                self.check_pin(pin)

    def check_pin(self, pin: Pin) -> None:
        """Raises unless a pin serves the function that the board file names.

        Raises:
            BoardMismatchError: It does not.
        """
        function = pin.alternate_function
        if function is not None and not self.gpio[pin.port].serves(pin.number, function):
            raise BoardMismatchError(
                f"{self._spec.name}: the UART's pin {pin} is not switched to "
                f"alternate function {function}"
            )
