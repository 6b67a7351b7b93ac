"""Where the cycles of a bare-metal image go, on a board's virtual copy."""

from __future__ import annotations

from hwnas.profiling._image import profile_image
from hwnas.profiling._profile import (
    BlockProfile,
    CallStatistics,
    FunctionProfile,
    Instruction,
    Profile,
    UnknownAccess,
)
from hwnas.virtual.guest import Stop, StopReason

__all__ = [
    "BlockProfile",
    "CallStatistics",
    "FunctionProfile",
    "Instruction",
    "Profile",
    "Stop",
    "StopReason",
    "UnknownAccess",
    "profile_image",
]
