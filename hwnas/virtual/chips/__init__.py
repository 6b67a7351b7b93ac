"""Virtual chips by family, each as its reference manual describes it."""

from __future__ import annotations

from typing import Final

from hwnas.boards import BoardSpec
from hwnas.errors import BoardError
from hwnas.virtual.chips._base import Chip, ResetCause, Wiring
from hwnas.virtual.chips.nrf52 import Nrf52
from hwnas.virtual.chips.stm32f4 import Stm32F4
from hwnas.virtual.chips.stm32f7 import Stm32F7
from hwnas.virtual.chips.stm32l4 import Stm32L4
from hwnas.virtual.chips.stm32l5 import Stm32L5

__all__ = [
    "CHIPS",
    "Chip",
    "Nrf52",
    "ResetCause",
    "Stm32F4",
    "Stm32F7",
    "Stm32L4",
    "Stm32L5",
    "Wiring",
    "chip_class",
    "make_chip",
]

CHIPS: Final[dict[str, type[Chip]]] = {
    "nrf52": Nrf52,
    "stm32f4": Stm32F4,
    "stm32f7": Stm32F7,
    "stm32l4": Stm32L4,
    "stm32l5": Stm32L5,
}
"""By the family that board files name."""


def chip_class(spec: BoardSpec) -> type[Chip]:
    """What the chip of a board is.

    Raises:
        BoardError: Its family is not modelled.
    """
    if spec.chip.family not in CHIPS:
        raise BoardError(
            f"{spec.name}: chips of the family {spec.chip.family!r} are not modelled, these are: "
            f"{', '.join(sorted(CHIPS))}"
        )
    return CHIPS[spec.chip.family]


def make_chip(spec: BoardSpec, wiring: Wiring) -> Chip:
    """The virtual chip of a board.

    Raises:
        BoardError: Its family is not modelled, or the board uses something that is not.
    """
    return chip_class(spec)(spec, wiring)
