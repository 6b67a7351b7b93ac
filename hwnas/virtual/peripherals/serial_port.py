"""A UART's end of the serial line, whatever its registers are."""

from __future__ import annotations

from collections.abc import Callable

from hwnas.virtual.peripherals._base import RegisterFile
from hwnas.virtual.serial_line import SerialLine


class SerialPort(RegisterFile):
    """Sends at once, and its bytes wait to be read: it never overruns.

    Args:
        name: As the chip's manual calls it.
        base: Address of the first register.
        line: The line to the host.
        check: Called before the first byte after each change of the configuration; raises where
            the host could not understand the bytes.
        clocked: Tells whether its clock is on.
    """

    def __init__(
        self,
        name: str,
        base: int,
        line: SerialLine,
        check: Callable[[], None],
        clocked: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(name, base, clocked)
        self.line = line
        self._check_line = check

    def reset(self) -> None:
        """Gives all registers their reset values."""
        super().reset()
        self._checked = False

    def store(self, offset: int, value: int) -> None:
        """Keeps the configuration."""
        self._checked = False
        super().store(offset, value)

    def send(self, byte: int) -> None:
        """Sends a byte to the host."""
        if not self._checked:
            self._check_line()
            self._checked = True
        self.line.send(byte)
