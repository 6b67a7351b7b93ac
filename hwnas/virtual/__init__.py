"""The virtual board: the firmware's own ELF, emulated, with a timing model behind CYCCNT."""

from __future__ import annotations

from hwnas.virtual.board import BlockCount, MarkerEvent, VirtualBoard
from hwnas.virtual.timing import CortexM4

TIMING_MODEL_VERSION = CortexM4().identity
"""Name and version of the timing model, as table keys hold them."""

__all__ = ["TIMING_MODEL_VERSION", "BlockCount", "MarkerEvent", "VirtualBoard"]
