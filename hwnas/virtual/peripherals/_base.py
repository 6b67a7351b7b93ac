"""What the bus sees of a peripheral."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from hwnas.boards import pin_name
from hwnas.errors import BoardError

WORD: Final = 0xFFFF_FFFF


class Peripheral(ABC):
    """A peripheral with 32-bit registers, on a range of the bus.

    Attributes:
        name: As the chip's manual calls it.
        base: Address of its first register.
        size_bytes: Extent on the bus, a multiple of 1024.
        NARROW_WRITES: Registers to which a byte or halfword may be written as if it were a word;
            what that does to others depends on the bus, and is not modelled.
    """

    name: str
    base: int
    size_bytes: int = 0x400
    NARROW_WRITES: ClassVar[frozenset[int]] = frozenset()

    @abstractmethod
    def read(self, offset: int) -> int:
        """The register's value.

        Raises:
            BoardError: The register is not modelled.
        """

    @abstractmethod
    def write(self, offset: int, value: int) -> None:
        """Takes a register's new value.

        Raises:
            BoardError: The register, or what the value asks for, is not modelled.
        """

    @abstractmethod
    def reset(self) -> None:
        """Does what a system reset does."""


class RegisterFile(Peripheral):
    """A peripheral most of whose registers just keep what was written.

    Subclasses handle the others before they come here. While its clock is off, it reads as zero
    and ignores writes, as on the chip.

    Args:
        name: As the chip's manual calls it.
        base: Address of its first register.
        clocked: Tells whether its clock is on.
    """

    RESET_VALUES: ClassVar[Mapping[int, int]]
    """Value after a reset, by offset; other registers are not modelled."""

    def __init__(self, name: str, base: int, clocked: Callable[[], bool] = lambda: True) -> None:
        self.name = name
        self.base = base
        self._clocked = clocked
        self.registers: dict[int, int] = {}
        self.reset()

    def reset(self) -> None:
        """Gives all registers their reset values."""
        self.registers = dict(self.RESET_VALUES)

    def read(self, offset: int) -> int:
        """See :meth:`Peripheral.read`."""
        if not self._clocked():
            return 0
        self._check(offset)
        return self.load(offset)

    def write(self, offset: int, value: int) -> None:
        """See :meth:`Peripheral.write`."""
        if self._clocked():
            self._check(offset)
            self.store(offset, value)

    def load(self, offset: int) -> int:
        """What a read of a modelled register gives."""
        return self.registers[offset]

    def store(self, offset: int, value: int) -> None:
        """What a write to a modelled register does."""
        self.registers[offset] = value

    def _check(self, offset: int) -> None:
        if offset not in self.registers:
            raise BoardError(
                f"{self.name}: the register at {self.base + offset:#010x} is not modelled"
            )


@dataclass(frozen=True, slots=True)
class PinLevel:
    """A pin that changed.

    Attributes:
        port: The GPIO port, as board files name it.
        number: Of the pin within the port.
        level: High or low.
    """

    port: str
    number: int
    level: bool

    @property
    def name(self) -> str:
        """The pin as the chip's maker writes it."""
        return pin_name(self.port, self.number)
