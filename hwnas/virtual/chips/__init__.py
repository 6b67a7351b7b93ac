"""Virtual chips by family, each as its reference manual describes it."""

from __future__ import annotations

from typing import Final

from hwnas.boards import BoardSpec
from hwnas.errors import BoardError
from hwnas.virtual.chips._base import Chip, ResetCause, Wiring
from hwnas.virtual.chips.stm32l4 import Stm32L4

__all__ = ["CHIPS", "Chip", "ResetCause", "Stm32L4", "Wiring", "make_chip"]

CHIPS: Final[dict[str, type[Chip]]] = {"stm32l4": Stm32L4}
"""By the family that board files name."""


def make_chip(spec: BoardSpec, wiring: Wiring) -> Chip:
    """The virtual chip of a board.

    Raises:
        BoardError: Its family is not modelled, or the board uses something that is not.
    """
    if spec.chip.family not in CHIPS:
        raise BoardError(
            f"{spec.name}: chips of the family {spec.chip.family!r} are not modelled, these are: "
            f"{', '.join(sorted(CHIPS))}"
        )
    return CHIPS[spec.chip.family](spec, wiring)
