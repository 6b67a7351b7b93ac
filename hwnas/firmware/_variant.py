"""How an image is compiled, where that is the user's choice."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hwnas.boards import BoardSpec
from hwnas.errors import FirmwareBuildError


class Optimization(StrEnum):
    """How the compiler optimizes; named as its flag, without the dash."""

    SIZE = "Os"
    SPEED = "O3"
    FAST_MATH = "Ofast"


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the images that a board can have.

    Attributes:
        optimization: ``O3`` by default, as the measurements that the timing models were fitted
            on: for integer code ``Ofast`` is the same.
        fpu: Whether floats are computed by the floating-point unit; else by software, as on a core
            without one.

    Raises:
        FirmwareBuildError: There is no such optimization.

    Example:
        >>> Variant("Os").describe()
        'Os'
        >>> Variant(fpu=False).describe()
        'O3 without FPU'
    """

    optimization: Optimization | str = Optimization.SPEED
    fpu: bool = True

    def __post_init__(self) -> None:
        known = [str(each) for each in Optimization]
        if self.optimization not in known:
            raise FirmwareBuildError(
                f"optimization {self.optimization!r} is none of {', '.join(known)}"
            )
        object.__setattr__(self, "optimization", Optimization(self.optimization))

    def describe(self) -> str:
        """Short text for people."""
        return f"{self.optimization}{'' if self.fpu else ' without FPU'}"

    def fpu_of(self, spec: BoardSpec) -> str:
        """The floating-point unit that code for a board uses: ``none``, ``single``, ``double``."""
        return spec.core.fpu if self.fpu else "none"


DEFAULT_VARIANT: Final = Variant()
