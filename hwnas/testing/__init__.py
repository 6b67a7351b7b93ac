"""For those who add boards or transports: the suites that hwnas's own are held against."""

from __future__ import annotations

from hwnas.testing._conformance import BoardConformance
from hwnas.testing._faults import WHOLE, Direction, Fault, FaultKind, FaultSchedule
from hwnas.testing._faulty import FaultyTransport

__all__ = [
    "WHOLE",
    "BoardConformance",
    "Direction",
    "Fault",
    "FaultKind",
    "FaultSchedule",
    "FaultyTransport",
]
