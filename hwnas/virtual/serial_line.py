"""The line between the host and the firmware's UART."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class SerialLine:
    """Bytes on their way in and out, and whether the firmware waits for more.

    The firmware waits when it polls the empty receiver again and has done nothing much since it
    polled it last: neither sent a byte nor run more than a few blocks of code.

    Args:
        blocks: A counter that rises with each block of code that runs.
        on_idle: Called when the firmware waits.
    """

    WAITING_BLOCKS = 64
    """Most blocks of code between two polls of a firmware that only waits."""

    def __init__(self, blocks: Callable[[], int], on_idle: Callable[[], None]) -> None:
        self._blocks = blocks
        self._on_idle = on_idle
        self._incoming: deque[int] = deque()
        self._outgoing = bytearray()
        self._polled_at: int | None = None

    def feed(self, data: bytes) -> None:
        """Bytes from the host; they wait until the firmware takes them."""
        self._incoming.extend(data)
        self._polled_at = None

    def drain(self) -> bytes:
        """Bytes for the host."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def poll(self) -> bool:
        """Whether a byte has come for the firmware."""
        if self._incoming:
            return True
        now = self._blocks()
        before, self._polled_at = self._polled_at, now
        if before is not None and now - before <= self.WAITING_BLOCKS:
            self._on_idle()
        return False

    def take(self) -> int:
        """The next byte for the firmware, 0 where there is none."""
        self._polled_at = None
        return self._incoming.popleft() if self._incoming else 0

    def send(self, byte: int) -> None:
        """A byte from the firmware."""
        self._polled_at = None
        self._outgoing.append(byte)
