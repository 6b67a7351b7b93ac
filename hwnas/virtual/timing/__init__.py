"""Timing models: cores and memories, chosen by the board's file."""

from __future__ import annotations

from hwnas.boards import BoardSpec
from hwnas.errors import BoardError
from hwnas.virtual.timing._base import BlockCost, CoreModel, MemoryModel
from hwnas.virtual.timing.cortex_m4 import CortexM4
from hwnas.virtual.timing.flash_accelerator import FlashAccelerator

__all__ = [
    "CORE_MODELS",
    "BlockCost",
    "CoreModel",
    "CortexM4",
    "FlashAccelerator",
    "MemoryModel",
    "core_model",
    "timing_identity",
]

CORE_MODELS: dict[str, type[CoreModel]] = {CortexM4.name: CortexM4}
"""Core models by the name that board files give them."""


def core_model(spec: BoardSpec) -> CoreModel:
    """The model of a board's core.

    Raises:
        BoardError: The board has no cycle model, or names an unknown one.
    """
    if spec.timing is None:
        raise BoardError(f"{spec.name} is functional only: it has no cycle model")
    name = spec.timing.core_model
    if name not in CORE_MODELS:
        raise BoardError(
            f"{spec.name}: timing.core_model {name!r} is unknown, there are: "
            f"{', '.join(sorted(CORE_MODELS))}"
        )
    return CORE_MODELS[name]()


def timing_identity(spec: BoardSpec) -> str:
    """What makes simulated cycles on a board: both models, with versions and parameters.

    Raises:
        BoardError: The board has no cycle model, or names an unknown one.

    Example:
        >>> from hwnas.boards import load_board
        >>> timing_identity(load_board("nucleo_l496zg"))
        'cortex-m4/1, flash-accelerator/1 (fread 2.75, line 4, caches 32x32 and 8x32)'
    """
    return f"{core_model(spec).identity}, {FlashAccelerator.of(spec).identity}"
