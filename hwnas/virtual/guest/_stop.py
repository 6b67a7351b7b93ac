"""How a run of an image ends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class StopReason(StrEnum):
    """Why a run is over."""

    UNTIL = "until"
    """It came to where it was to stop."""
    EXIT = "exit"
    """The image ended by a semihosting call."""
    BREAKPOINT = "breakpoint"
    """A BKPT that is no semihosting call."""
    SELF_BRANCH = "self_branch"
    """A branch to itself: nothing will ever happen again."""
    SLEEP = "sleep"
    """The core sleeps, and there is no interrupt to wake it."""
    RESET = "reset"
    """The image asked for a reset."""
    SERIAL_INPUT = "serial_input"
    """It waits for a byte from the serial line, and no more will come."""
    MAX_CYCLES = "max_cycles"
    """The limit of cycles is reached."""
    MAX_SECONDS = "max_seconds"
    """The limit of this machine's time is reached."""


@dataclass(frozen=True, slots=True)
class Stop:
    """How a run ended.

    Attributes:
        reason: Why.
        address: Of the instruction that would be next.
        symbol: The function there with the offset in it; empty where the image does not tell.
        exit_code: What the image ended with, where it ended by a semihosting call.
    """

    reason: StopReason
    address: int
    symbol: str
    exit_code: int | None = None
