"""A board's clock against this machine's: a wrong clock would make wrong milliseconds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from hwnas.errors import BoardError, BoardMismatchError

if TYPE_CHECKING:
    from hwnas.device.client import BoardClient

CLOCK_TOLERANCE: Final = 0.03
"""An RC oscillator is exact within 1 to 2 %, a crystal within 0.01 %; a wrong divider is off by a
third or more. What the two readings themselves leave open is added."""
COUNTER_TURN: Final = 1 << 32
"""DWT->CYCCNT has 32 bits; the firmware carries it further, but sees no turn between two looks."""
DEFAULT_SECONDS: Final = 0.5
_SAMPLES: Final = 4


@dataclass(frozen=True, slots=True)
class ClockReading:
    """A clock as this machine's own clock sees it.

    Attributes:
        hz: Cycles of the board's counter in a second of this machine.
        uncertainty_hz: By how much that may be off, since the readings travel over a line.
    """

    hz: float
    uncertainty_hz: float

    def agrees(self, clock_hz: int) -> bool:
        """Whether it is the clock that the board file names."""
        return abs(self.hz - clock_hz) <= CLOCK_TOLERANCE * clock_hz + self.uncertainty_hz


def measure_clock(client: BoardClient, seconds: float = DEFAULT_SECONDS) -> ClockReading:
    """Read a board's cycle counter twice.

    Args:
        client: Of the board.
        seconds: Time between the readings; under 2^32 cycles.

    Raises:
        BoardError: The board does not answer.
    """
    first, early, slack = _reading(client)
    time.sleep(seconds)
    second, late, more_slack = _reading(client)
    elapsed = late - early
    hz = (second - first) / elapsed
    return ClockReading(hz, hz * (slack + more_slack) / elapsed)


def check_clock(client: BoardClient, clock_hz: int) -> ClockReading:
    """Raise unless a board's counter runs at the clock that its file names.

    Raises:
        BoardMismatchError: It runs at another clock, or stands still.
        BoardError: The board does not answer.
    """
    found = measure_clock(client)
    if not found.agrees(clock_hz):
        raise BoardMismatchError(
            f"the board's cycle counter runs at {found.hz / 1e6:.2f} MHz by this machine's clock, "
            f"its file says {clock_hz / 1e6:g} MHz: milliseconds would be wrong; is the image that "
            "of this board?"
        )
    return found


def check_turns(
    cycles: npt.NDArray[np.int64], untold: int, elapsed_s: float, clock_hz: int
) -> None:
    """Raise where a board's counter must have turned over unseen, so that cycles are too few.

    Args:
        cycles: Of each repetition of a run, shape (repeats,).
        untold: Further repetitions whose cycles are not told: those that warm up.
        elapsed_s: How long all of them took at most, in seconds.
        clock_hz: The board's clock.

    Raises:
        BoardError: They took a turn of the counter longer than they say.
    """
    told = float(cycles.mean()) * (len(cycles) + untold)
    elapsed = elapsed_s * clock_hz
    if elapsed - told < COUNTER_TURN - CLOCK_TOLERANCE * elapsed:
        return
    raise BoardError(
        f"a run took {elapsed_s:.1f} s, but its cycles say {told / clock_hz:.1f} s: the cycle "
        f"counter turns over every {COUNTER_TURN / clock_hz:.1f} s, unseen within a layer and "
        "within a network that is measured end to end, unless this machine or the line hung; "
        "measure such a network layer by layer, and no layers of 2^32 cycles and more"
    )


def _reading(client: BoardClient) -> tuple[int, float, float]:
    """Cycles, when they were read, and by how much that time may be off: the quickest of a few."""
    best = (0, 0.0, float("inf"))
    for _ in range(_SAMPLES):
        before = time.monotonic()
        cycles = client.cycles()
        after = time.monotonic()
        if (after - before) / 2 < best[2]:
            best = (cycles, (before + after) / 2, (after - before) / 2)
    return best
