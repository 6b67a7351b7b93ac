"""Trials that are no study's: drawn at random, or one after the other until all are through."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hwnas.errors import SpaceError
from hwnas.network import Network
from hwnas.spaces._base import SearchSpace


class EndlessError(SpaceError):
    """A space has numbers that are not whole: its points cannot be gone through."""


class RandomTrial:
    """Suggests as an Optuna trial does, each value drawn at random.

    Args:
        draw: Where randomness comes from.
    """

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self.params: dict[str, Any] = {}

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """A whole number of the grid, all alike; ``log`` changes nothing in what there is."""
        return int(self._once(name, lambda: self._draw.randrange(low, high + 1, step)))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number of the interval, or of its grid."""
        if step is not None:
            count = int((high - low) / step + 1e-9)
            return float(self._once(name, lambda: low + step * self._draw.randint(0, count)))
        return float(self._once(name, lambda: self._draw.uniform(low, high)))

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """One of the choices."""
        return self._once(name, lambda: self._draw.choice(choices))

    def _once(self, name: str, draw: Any) -> Any:
        if name not in self.params:
            self.params[name] = draw()
        return self.params[name]


@dataclass
class _Wheel:
    """One choice of an odometer: where it stands, and how many places it has."""

    size: int
    at: int = 0


@dataclass
class _OdometerTrial:
    """Suggests what its wheels say; what is asked beyond them gets a wheel at its first place."""

    wheels: list[_Wheel]
    asked: int = 0
    params: dict[str, Any] = field(default_factory=dict)

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        return int(self._take(name, range(low, high + 1, step)))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        raise EndlessError(f"parameter {name!r} is a number of an interval")

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return self._take(name, choices)

    def _take(self, name: str, choices: Any) -> Any:
        if name in self.params:
            return self.params[name]
        if self.asked == len(self.wheels):
            self.wheels.append(_Wheel(len(choices)))
        self.params[name] = choices[self.wheels[self.asked].at]
        self.asked += 1
        return self.params[name]


def all_networks(space: SearchSpace) -> Iterator[Network]:
    """Every network of a space, one after the other; points that make no network are passed over.

    Only for spaces whose parameters are whole numbers and choices, and few: the number of points
    is the product of their counts.

    Raises:
        EndlessError: A parameter is a number that need not be whole.

    Example:
        >>> from hwnas.network import NetworkBuilder
        >>> from hwnas.spaces import as_space
        >>> def space(trial):
        ...     b = NetworkBuilder((8,))
        ...     b.dense(b.input, trial.suggest_int("units", 1, 3))
        ...     return b.build()
        >>> [network.output_shape for network in all_networks(as_space(space))]
        [(1,), (2,), (3,)]
    """
    wheels: list[_Wheel] = []
    while True:
        trial = _OdometerTrial(wheels)
        try:
            yield space.sample(trial)
        except EndlessError:
            raise
        except SpaceError:
            pass
        # What this point did not ask for is gone; the last wheel that is left turns first.
        del wheels[trial.asked :]
        while wheels and wheels[-1].at + 1 == wheels[-1].size:
            wheels.pop()
        if not wheels:
            return
        wheels[-1].at += 1


def random_networks(space: SearchSpace, seed: int) -> Iterator[Network]:
    """Networks of a space without end, each point drawn at random; the same for one seed.

    Points that make no network are passed over.
    """
    draw = random.Random(seed)
    while True:
        try:
            yield space.sample(RandomTrial(draw))
        except SpaceError:
            continue
