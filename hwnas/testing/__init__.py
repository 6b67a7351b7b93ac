"""For those who add boards or transports: the suites that hwnas's own are held against."""

from __future__ import annotations

from hwnas.testing._conformance import BoardConformance

__all__ = ["BoardConformance"]
