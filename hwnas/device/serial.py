"""Boards behind a serial port, or whatever pyserial has a URL for."""

from __future__ import annotations

import errno
from typing import Final

import serial

from hwnas.device.transport import Transport
from hwnas.errors import BoardError, BoardTimeoutError

try:
    from termios import error as _TerminalError
except ImportError:  # Windows: pyserial raises nothing else there
    _TerminalError = OSError  # type: ignore[assignment,misc]

_LINE_ERRORS: Final = (OSError, ValueError, _TerminalError)
_WRITE_TIMEOUT_S: Final = 5.0
_HINTS: Final = {
    errno.ENOENT: "no such port: is the board plugged in, and is this its name?",
    errno.EACCES: "permission denied: add your user to the group that owns the port, often "
    "dialout, and log in again",
    errno.EBUSY: "the port is in use by another program: close it there",
    errno.EAGAIN: "the port is in use by another program: close it there",
    errno.EIO: "the board is gone: was it unplugged?",
}


class SerialTransport(Transport):
    """A line through pyserial: a device name, or a URL such as ``socket://host:port``.

    The port is opened for this program alone where the system can do that. So far this has run
    against QEMU's pseudo-terminal, not yet against silicon.

    Example:
        >>> with SerialTransport("/dev/ttyACM0") as transport:  # doctest: +SKIP
        ...     BoardClient(transport).hello()
    """

    def __init__(self, url: str, baudrate: int = 921_600) -> None:
        """Opens the port.

        Args:
            url: Device name or pyserial URL.
            baudrate: Bits a second; 8 data bits, no parity, one stop bit.

        Raises:
            BoardError: The port cannot be opened; the message says which one and what to do.
        """
        self._url = url
        try:
            self._port = serial.serial_for_url(
                url, baudrate=baudrate, write_timeout=_WRITE_TIMEOUT_S, exclusive=True
            )
        except _LINE_ERRORS as error:
            raise self._failure("cannot be opened", error) from error

    def write(self, data: bytes) -> None:
        """Sends all of ``data``; see :meth:`Transport.write`."""
        try:
            self._port.write(data)
        except serial.SerialTimeoutException as error:
            raise BoardTimeoutError(
                f"port {self._url} did not take {len(data)} bytes in {_WRITE_TIMEOUT_S:g} s"
            ) from error
        except _LINE_ERRORS as error:
            raise self._failure("cannot be written", error) from error

    def read(self, timeout_s: float) -> bytes:
        """Returns what has arrived; see :meth:`Transport.read`."""
        try:
            self._port.timeout = timeout_s
            first = self._port.read(1)
            if not first:
                return b""
            return bytes(first + self._port.read(self._port.in_waiting))
        except _LINE_ERRORS as error:
            raise self._failure("cannot be read", error) from error

    def close(self) -> None:
        """Gives the port back; see :meth:`Transport.close`."""
        self._port.close()

    def _failure(self, what: str, error: Exception) -> BoardError:
        hint = _HINTS.get(getattr(error, "errno", None) or 0, str(error))
        return BoardError(f"port {self._url} {what}: {hint}")
