"""Cycles from counts."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hwnas.virtual.code import BlockPrices, Where
from hwnas.virtual.collector import EVENTS, Collector
from hwnas.virtual.kept import Kept
from hwnas.virtual.timing import BlockModel, FlashAccelerator


class StillMeter:
    """Stands still: the meter of a board that has no cycle model."""

    instructions = 0

    def read(self) -> int:
        """See :meth:`Meter.read`."""
        return 0

    def peek(self) -> int:
        """See :meth:`Meter.peek`."""
        return 0

    def save(self) -> None:
        """See :meth:`Meter.save`."""


class Meter(ABC):
    """Adds up cycles: what the code that ran costs, and counts of events times their costs.

    A reading freezes what has been used up to it, so readings only grow. Each reading adds the
    whole cycles since the one before and drops the fraction, so that the same code between two
    readings costs the same wherever it stands.

    Args:
        counters: What ran.
        prices: What it costs.
        event_cycles: What an event of each kind costs; 0 where it does not stand there.
    """

    def __init__(
        self, counters: Collector, prices: Kept[Any, Any], event_cycles: Mapping[str, float]
    ) -> None:
        self._counters = counters
        self._kept = prices
        self._event_cycles = np.array([event_cycles.get(event, 0) for event in EVENTS], np.float64)
        self._events = np.zeros(len(EVENTS), np.int64)
        self._total = 0

    def read(self) -> int:
        """Cycles until now; the next reading starts from here.

        Raises:
            BoardError: Something ran that cannot be decoded.
        """
        self._total += self._since()
        self.start_over()
        return self._total

    def peek(self) -> int:
        """Cycles until now, without an effect on later readings."""
        return self._total + self._since()

    def save(self) -> None:
        """Keeps what was worked out for later processes."""
        self._kept.save()

    @property
    def instructions(self) -> int:
        """Instructions executed until now, predicated-out ones included."""
        return int(self._counters.counts().executions @ self.lengths())

    def lengths(self) -> npt.NDArray[np.int64]:
        """Instructions of each block, in the order in which they ran first."""
        counts = self._counters.counts()
        places = zip(counts.address.tolist(), counts.size.tolist(), strict=True)
        return np.array([self.length(place) for place in places], np.int64)

    def _since(self) -> int:
        events = self._counters.counts().events.sum(axis=0) - self._events
        return math.floor(self.code_cycles() + float(events @ self._event_cycles))

    @abstractmethod
    def code_cycles(self) -> float:
        """What the code that ran since the last reading costs, without events."""

    def start_over(self) -> None:
        """Counts from here."""
        self._events = self._counters.counts().events.sum(axis=0)

    @abstractmethod
    def length(self, where: Where) -> int:
        """Instructions of a block."""


class CycleMeter(Meter):
    """The meter of a core whose blocks have prices: counts of blocks times their costs.

    Args:
        counters: What ran.
        prices: What a block costs.
        core: What a taken branch and an unaligned read cost.
        memory: What lines and flash reads cost.
    """

    def __init__(
        self, counters: Collector, prices: BlockPrices, core: BlockModel, memory: FlashAccelerator
    ) -> None:
        event_cycles = {
            "taken": core.taken_cycles,
            "instruction_lines": memory.instruction_line_cycles,
            "flash_reads": memory.flash_read_cycles,
            "data_lines": memory.data_line_cycles,
            "unaligned": core.unaligned_cycles,
        }
        super().__init__(counters, prices, event_cycles)
        self._prices = prices
        self._block_cycles = np.zeros(0, np.float64)
        self._executions = np.zeros(0, np.int64)

    def code_cycles(self) -> float:
        """See :class:`Meter`."""
        counts = self._counters.counts()
        known = len(self._block_cycles)
        new = zip(counts.address[known:].tolist(), counts.size[known:].tolist(), strict=True)
        prices = [self._prices.of(*where).cycles for where in new]
        self._block_cycles = np.append(self._block_cycles, prices)
        executions = counts.executions.copy()
        executions[: len(self._executions)] -= self._executions
        return float(executions @ self._block_cycles)

    def start_over(self) -> None:
        """See :class:`Meter`."""
        super().start_over()
        self._executions = self._counters.counts().executions.copy()

    def length(self, where: Where) -> int:
        """See :class:`Meter`."""
        return self._prices.of(*where).instructions
