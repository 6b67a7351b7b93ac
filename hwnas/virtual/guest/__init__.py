"""Images of somebody else's: what a virtual board needs to run any bare-metal code."""

from __future__ import annotations

from hwnas.virtual.guest._bus import UnknownRegister
from hwnas.virtual.guest._faults import Fault
from hwnas.virtual.guest._guest import Guest, Output
from hwnas.virtual.guest._setup import GuestSetup
from hwnas.virtual.guest._stop import Stop, StopReason

__all__ = ["Fault", "Guest", "GuestSetup", "Output", "Stop", "StopReason", "UnknownRegister"]
