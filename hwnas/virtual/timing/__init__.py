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
