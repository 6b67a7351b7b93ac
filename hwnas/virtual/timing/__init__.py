"""Timing models: cores and memories, chosen by the board's file."""

from __future__ import annotations

from typing import Any

from hwnas.boards import BoardSpec
from hwnas.errors import BoardError
from hwnas.virtual.timing._base import (
    BlockCost,
    BlockModel,
    CoreModel,
    EdgeCost,
    EdgeModel,
    MemoryModel,
    Passage,
    PipelineBlock,
)
from hwnas.virtual.timing.core_caches import CoreCaches
from hwnas.virtual.timing.cortex_m4 import CortexM4
from hwnas.virtual.timing.cortex_m7 import CortexM7
from hwnas.virtual.timing.cortex_m33 import CortexM33
from hwnas.virtual.timing.flash_accelerator import FlashAccelerator

__all__ = [
    "CORE_MODELS",
    "BlockCost",
    "BlockModel",
    "CoreCaches",
    "CoreModel",
    "CortexM4",
    "CortexM7",
    "CortexM33",
    "EdgeCost",
    "EdgeModel",
    "FlashAccelerator",
    "MemoryModel",
    "Passage",
    "PipelineBlock",
    "core_model",
    "memory_model",
    "timing_identity",
]

CORE_MODELS: dict[str, type[BlockModel] | type[EdgeModel[Any]]] = {
    CortexM4.name: CortexM4,
    CortexM7.name: CortexM7,
    CortexM33.name: CortexM33,
}
"""Core models by the name that board files give them."""
FAST_MODE_VERSION = 3
"""Rises with every change of how accesses are told at the entry of a block."""


def core_model(spec: BoardSpec) -> BlockModel | EdgeModel[Any]:
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


def memory_model(spec: BoardSpec) -> FlashAccelerator | CoreCaches:
    """The model of a board's memories, which must fit the core's.

    Raises:
        BoardError: The board has no cycle model, or lacks parameters of it.
    """
    if isinstance(core_model(spec), EdgeModel):
        return CoreCaches.of(spec)
    return FlashAccelerator.of(spec)


def timing_identity(spec: BoardSpec, *, exact: bool = False) -> str:
    """What makes simulated cycles on a board: both models, with versions and parameters.

    Args:
        spec: The board.
        exact: Whether accesses to memory are counted when they happen.

    Raises:
        BoardError: The board has no cycle model, or names an unknown one.

    Example:
        >>> from hwnas.boards import load_board
        >>> timing_identity(load_board("nucleo_l496zg"))
        'cortex-m4/1, flash-accelerator/1 (fread 2.75, line 4, caches 32x32 and 8x32), fast/3'
    """
    mode = "" if exact else f", fast/{FAST_MODE_VERSION}"
    return f"{core_model(spec).identity}, {memory_model(spec).identity}{mode}"
