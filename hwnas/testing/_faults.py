"""What can go wrong on the way to a board: faults, and schedules of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from hwnas.errors import BoardError

WHOLE: Final = 1 << 20
"""A ``count`` beyond any passage: all of it."""
_SOME_BYTES: Final = 40
_FLOOD_BYTES: Final = 20_000
_ABSENT_CALLS: Final = 4


class FaultKind(StrEnum):
    """What happens to a passage; ``count`` and ``seconds`` are those of the :class:`Fault`."""

    DROP = "drop"
    """``count`` bytes from a random place on do not arrive."""
    DUPLICATE = "duplicate"
    """``count`` bytes from a random place on arrive twice."""
    CORRUPT = "corrupt"
    """``count`` bytes from a random place on arrive as other ones."""
    TRUNCATE = "truncate"
    """The last ``count`` bytes do not arrive."""
    DELAY = "delay"
    """It arrives ``seconds`` late, and so does what follows it in its direction."""
    RESET = "reset"
    """The board takes the request but restarts before it answers."""
    MISANSWER = "misanswer"
    """An answer to another request, or an earlier answer, arrives before or instead of it."""
    FLOOD = "flood"
    """``count`` random bytes arrive in the middle of it."""
    HANG = "hang"
    """It is lost, and for ``seconds`` all that follows it in either direction."""
    DISCONNECT = "disconnect"
    """It is lost with all that is under way, and the next ``count`` calls raise as this one does;
    then the line is back."""


class Direction(StrEnum):
    """Which way a passage goes."""

    TO_BOARD = "to_board"
    TO_HOST = "to_host"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    A passage is what one ``write`` sends, or what one ``read`` returns that returns anything.

    Attributes:
        kind: What happens.
        at: To which passage of its direction, from 0.
        direction: Which way the passage goes; :attr:`FaultKind.MISANSWER` exists to the host only.
        count: Bytes or calls, by kind.
        seconds: Time, by kind.

    Raises:
        BoardError: A value is out of range.

    Example:
        >>> Fault(FaultKind.DROP, at=3, direction=Direction.TO_HOST, count=8).kind.value
        'drop'
    """

    kind: FaultKind
    at: int
    direction: Direction = Direction.TO_HOST
    count: int = 1
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.at < 0 or self.count < 0 or not self.seconds >= 0:
            raise BoardError(f"no such fault: {self} has a negative number")
        if self.kind is FaultKind.MISANSWER and self.direction is not Direction.TO_HOST:
            raise BoardError("no such fault: answers go to the host only")


@dataclass(frozen=True, slots=True)
class FaultSchedule:
    """Faults and the passages that they happen to.

    Attributes:
        faults: In any order; several may happen to one passage, in this order.

    Example:
        >>> FaultSchedule.random(7) == FaultSchedule.random(7)
        True
    """

    faults: tuple[Fault, ...] = ()

    @classmethod
    def random(
        cls,
        seed: int,
        *,
        most: int = 6,
        passages: int = 25,
        kinds: Sequence[FaultKind] = tuple(FaultKind),
        longest_s: float = 0.2,
    ) -> Self:
        """A schedule that follows from a seed.

        Args:
            seed: Equal seeds give equal schedules.
            most: It has 1 to this many faults.
            passages: They happen to the first so many passages of each direction.
            kinds: What is drawn from.
            longest_s: Bound on the seconds of a delay or a hang.
        """
        source = random.Random(seed)
        return cls(
            tuple(
                _random_fault(source, source.choice(kinds), source.randrange(passages), longest_s)
                for _ in range(source.randint(1, most))
            )
        )

    def of(self, direction: Direction, at: int) -> tuple[Fault, ...]:
        """The faults of one passage."""
        return tuple(
            fault for fault in self.faults if fault.at == at and fault.direction is direction
        )


def _random_fault(source: random.Random, kind: FaultKind, at: int, longest_s: float) -> Fault:
    direction = source.choice(tuple(Direction))
    count = source.choice((1, source.randint(1, _SOME_BYTES), WHOLE))
    match kind:
        case FaultKind.MISANSWER:
            direction = Direction.TO_HOST
        case FaultKind.FLOOD:
            # A board takes each byte in turn, which is slow work for a virtual one.
            most = _FLOOD_BYTES if direction is Direction.TO_HOST else _FLOOD_BYTES // 10
            count = source.choice((1, source.randint(1, _SOME_BYTES), most))
        case FaultKind.DISCONNECT:
            count = source.randint(0, _ABSENT_CALLS)
        case _:
            pass
    return Fault(kind, at, direction, count, source.uniform(0, longest_s))
