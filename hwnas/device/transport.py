"""The seam between the client and whatever carries its bytes to a board."""

from __future__ import annotations

import time
from abc import abstractmethod

from hwnas._closing import Closing


class Transport(Closing):
    """Moves bytes to and from one board, and knows nothing about what they mean.

    Call order: a transport is open once it is constructed; then :meth:`write` and :meth:`read`
    in any order and number; then :meth:`close`, after which the other two raise
    :class:`~hwnas.errors.BoardError`. ``close`` may be called again. A transport belongs to one
    client and one thread. Bytes may be lost, altered or made up on the way: the protocol copes.

    Example:
        >>> with SerialTransport("/dev/ttyACM0") as transport:  # doctest: +SKIP
        ...     print(BoardClient(transport).hello().board)
    """

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Sends all of ``data``.

        Raises:
            BoardError: The line is closed or broken, or did not take the bytes in time.
        """

    @abstractmethod
    def read(self, timeout_s: float) -> bytes:
        """Returns what has arrived as soon as there is something.

        Args:
            timeout_s: Longest time to wait, in seconds; 0 only looks.

        Returns:
            At least one byte, or ``b""`` when nothing came within the time or when nothing can
            come before the next :meth:`write` (a virtual board that waits for a request).

        Raises:
            BoardError: The line is closed or broken.
        """

    def now_s(self) -> float:
        """Time at the board, in seconds from any start.

        It is that of this machine, unless the board lives in a time of its own, as a virtual one
        does.
        """
        return time.monotonic()

    @abstractmethod
    def close(self) -> None:
        """Gives the line back. Does nothing when it is closed already."""
