"""Facts about boards: one TOML file a board, every section with its source."""

from __future__ import annotations

from hwnas.boards._model import (
    BoardSpec,
    CacheGeometry,
    Chip,
    Core,
    CoreCache,
    CycleEstimate,
    Debug,
    Flash,
    Markers,
    Memory,
    MemoryTiming,
    Pin,
    Power,
    ReferencePoint,
    Serial,
    Timing,
    list_boards,
    load_board,
    pin_name,
)

__all__ = [
    "BoardSpec",
    "CacheGeometry",
    "Chip",
    "Core",
    "CoreCache",
    "CycleEstimate",
    "Debug",
    "Flash",
    "Markers",
    "Memory",
    "MemoryTiming",
    "Pin",
    "Power",
    "ReferencePoint",
    "Serial",
    "Timing",
    "list_boards",
    "load_board",
    "pin_name",
]
