"""What the families of STM32 chips have alike: ports, independent watchdog, pins of the UART."""

from __future__ import annotations

import string
from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, Final

from hwnas.boards import BoardSpec, Pin
from hwnas.errors import BoardError, BoardMismatchError
from hwnas.virtual.chips._base import Chip, Wiring
from hwnas.virtual.peripherals import PINS, Gpio, Iwdg

_GPIO_STEP: Final = 0x400
_IWDG: Final = 0x4000_3000
"""At one address in all families: "Memory map and register boundary addresses"."""


class Stm32(Chip):
    """An STM32 of any family.

    Attributes:
        GPIO: What a port is.
        GPIO_BASE: Address of port A.
        GPIO_PORTS: How many ports there are, from A on.
    """

    GPIO: ClassVar[type[Gpio]] = Gpio
    GPIO_BASE: ClassVar[int]
    GPIO_PORTS: ClassVar[int]

    def __init__(self, spec: BoardSpec, wiring: Wiring) -> None:
        super().__init__(spec, wiring)
        ports = string.ascii_uppercase[: self.GPIO_PORTS]
        for pin in (spec.serial.tx, spec.serial.rx):
            if pin is not None and (pin.port not in ports or pin.number >= PINS):
                raise BoardError(f"{spec.name}: the chip has no pin P{pin.port}{pin.number}")
        self.iwdg = Iwdg("IWDG", _IWDG)
        self.gpio = {
            port: self.GPIO(
                port, self.GPIO_BASE + index * _GPIO_STEP, self.port_clock(index), wiring.on_pin
            )
            for index, port in enumerate(ports)
        }

    @abstractmethod
    def port_clock(self, index: int) -> Callable[[], bool]:
        """What tells whether a port's clock is on; ports count from A."""

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
                f"{self._spec.name}: the UART's pin P{pin.port}{pin.number} is not switched to "
                f"alternate function {function}"
            )
