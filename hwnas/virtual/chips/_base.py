"""What every virtual chip has: a core's private peripherals, a clock and a serial line to check."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import ClassVar, Final

from hwnas.boards import BoardSpec
from hwnas.errors import BoardMismatchError
from hwnas.virtual.peripherals import Dwt, Peripheral, PinLevel, SystemControl
from hwnas.virtual.serial_line import SerialLine

# Armv7-M manual, section B3.1: the private peripheral bus.
_DWT: Final = 0xE000_1000
_SCS: Final = 0xE000_E000
BAUD_TOLERANCE: Final = 0.02
"""Half of what a UART with 16-fold oversampling can bear, RM0351 "Tolerance of the receiver"."""


class ResetCause(Enum):
    """Why a chip starts."""

    POWER_ON = auto()
    SOFTWARE = auto()


@dataclass(frozen=True, slots=True)
class Wiring:
    """What a chip is connected to.

    Attributes:
        line: The serial line to the host.
        cycles: The core's cycles so far; a call freezes them.
        invalidate: Empties the flash accelerator's caches: (instructions, data).
        on_reset: Called when the code asks for a system reset.
        on_pin: Called for each output that changes.
    """

    line: SerialLine
    cycles: Callable[[], int]
    invalidate: Callable[[bool, bool], None]
    on_reset: Callable[[], None]
    on_pin: Callable[[PinLevel], None]


class Chip(ABC):
    """The peripherals of one chip, wired to each other and to the board around it.

    Attributes:
        DWT: What its core's cycle counter is.

    Args:
        spec: The board, against which clock, memories and serial line are checked.
        wiring: What it is connected to.

    Raises:
        BoardError: The board uses something of the chip that is not modelled.
    """

    DWT: ClassVar[type[Dwt]] = Dwt

    def __init__(self, spec: BoardSpec, wiring: Wiring) -> None:
        self._spec = spec
        self.scs = self.make_scs(_SCS, wiring.on_reset, lambda: self.dwt.update())
        self.dwt = self.DWT(_DWT, wiring.cycles, lambda: self.scs.tracing, self.check_clock)

    def make_scs(
        self, base: int, on_reset: Callable[[], None], on_trace: Callable[[], None]
    ) -> SystemControl:
        """The system control space of its core; see :class:`SystemControl`."""
        return SystemControl(base, on_reset, on_trace)

    @property
    def peripherals(self) -> tuple[Peripheral, ...]:
        """All of them."""
        return (*self.own_peripherals, self.scs, self.dwt)

    def reset(self, cause: ResetCause) -> None:
        """Does what a reset does, and makes its cause known to the code."""
        for peripheral in self.peripherals:
            peripheral.reset()
        self.tell_cause(cause)

    @property
    @abstractmethod
    def own_peripherals(self) -> tuple[Peripheral, ...]:
        """Those that are not the core's."""

    @abstractmethod
    def tell_cause(self, cause: ResetCause) -> None:
        """Sets the flags in which the code finds the cause of the reset."""

    @abstractmethod
    def check_clock(self) -> None:
        """Raises unless core and flash run as the board file says, on which cycles rest.

        Raises:
            BoardMismatchError: Another clock, other wait states, or caches that are off.
        """

    @abstractmethod
    def check_serial(self) -> None:
        """Raises unless the host would understand what the UART sends.

        Raises:
            BoardMismatchError: Another baud rate or format of bytes, or pins that do not serve
                the UART.
        """

    def check_baud(self, baud: float) -> None:
        """Raises unless a baud rate is that of the board file, within what a receiver bears.

        Raises:
            BoardMismatchError: It is not.
        """
        wanted = self._spec.serial.baud
        if abs(baud / wanted - 1) > BAUD_TOLERANCE:
            raise self.mismatch("the UART runs at", f"{baud:.0f} baud", f"{wanted} baud")

    def expect(self, what: str, found: object, wanted: object, unit: str = "") -> None:
        """Raises unless a setting is what the board file says.

        Raises:
            BoardMismatchError: It is not.
        """
        if found != wanted:
            raise self.mismatch(what, f"{found}{unit}", f"{wanted}{unit}")

    def mismatch(self, what: str, found: str, wanted: str) -> BoardMismatchError:
        """The error that a setting is not what the board file says."""
        return BoardMismatchError(
            f"{self._spec.name}: {what} {found}, the board file says {wanted}: correct the "
            "firmware or the board file"
        )
