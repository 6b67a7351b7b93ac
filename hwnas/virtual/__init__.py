"""The virtual board: the firmware's own ELF, emulated, with a timing model behind CYCCNT."""

from __future__ import annotations

from hwnas.virtual.board import BlockCount, MarkerEvent, VirtualBoard

__all__ = ["BlockCount", "MarkerEvent", "VirtualBoard"]
