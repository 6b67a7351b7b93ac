"""Cycles from counts."""

from __future__ import annotations

import math

import numpy as np

from hwnas.virtual.code import BlockPrices
from hwnas.virtual.collector import EVENTS, Collector
from hwnas.virtual.timing import BlockModel, FlashAccelerator


class StillMeter:
    """Stands still: the meter of a board that has no cycle model."""

    instructions = 0

    def read(self) -> int:
        """See :meth:`CycleMeter.read`."""
        return 0

    def peek(self) -> int:
        """See :meth:`CycleMeter.peek`."""
        return 0

    def save(self) -> None:
        """See :meth:`CycleMeter.save`."""


class CycleMeter:
    """Adds up cycles: counts of events times their costs.

    A reading freezes what has been used up to it, so readings only grow. Each reading adds the
    whole cycles since the one before and drops the fraction, so that the same code between two
    readings costs the same wherever it stands.

    Args:
        counters: What ran.
        prices: What a block costs.
        core: What a taken branch and an unaligned read cost.
        memory: What lines and flash reads cost.
    """

    def __init__(
        self, counters: Collector, prices: BlockPrices, core: BlockModel, memory: FlashAccelerator
    ) -> None:
        self._counters = counters
        self._prices = prices
        costs = {
            "taken": core.taken_cycles,
            "instruction_lines": memory.instruction_line_cycles,
            "flash_reads": memory.flash_read_cycles,
            "data_lines": memory.data_line_cycles,
            "unaligned": core.unaligned_cycles,
            "ram_lines": 0.0,
        }
        self._event_costs = np.array([costs[event] for event in EVENTS], np.float64)
        self._block_cycles = np.zeros(0, np.float64)
        self._block_instructions = np.zeros(0, np.int64)
        self._executions = np.zeros(0, np.int64)
        self._events = np.zeros(len(EVENTS), np.int64)
        self._total = 0

    def read(self) -> int:
        """Cycles until now; the next reading starts from here.

        Raises:
            BoardError: Something ran that cannot be decoded.
        """
        self._total += self._since()
        counts = self._counters.counts()
        self._executions = counts.executions.copy()
        self._events = counts.events.sum(axis=0)
        return self._total

    def peek(self) -> int:
        """Cycles until now, without an effect on later readings."""
        return self._total + self._since()

    def save(self) -> None:
        """Keeps what was worked out for later processes."""
        self._prices.save()

    @property
    def instructions(self) -> int:
        """Instructions executed until now, predicated-out ones included."""
        self._price_new_blocks()
        return int(self._counters.counts().executions @ self._block_instructions)

    def _since(self) -> int:
        self._price_new_blocks()
        counts = self._counters.counts()
        executions = counts.executions.copy()
        executions[: len(self._executions)] -= self._executions
        events = counts.events.sum(axis=0) - self._events
        cycles = executions @ self._block_cycles + events @ self._event_costs
        return math.floor(float(cycles))

    def _price_new_blocks(self) -> None:
        counts = self._counters.counts()
        known = len(self._block_cycles)
        if known == len(counts.address):
            return
        new = [
            self._prices.price(int(address), int(size))
            for address, size in zip(counts.address[known:], counts.size[known:], strict=True)
        ]
        self._block_cycles = np.append(self._block_cycles, [cost.cycles for cost in new])
        self._block_instructions = np.append(
            self._block_instructions, [cost.instructions for cost in new]
        )
