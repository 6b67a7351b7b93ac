"""Cycles from counts of edges."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from hwnas.virtual.code import EdgePrices, Where
from hwnas.virtual.collector import EVENTS
from hwnas.virtual.edge_counters import EdgeCounters
from hwnas.virtual.timing import CoreCaches

_BEFORE_ANYTHING = 0
_EXECUTIONS = 0


class EdgeMeter:
    """Adds up cycles: counts of edges times their costs, and what memory adds.

    What an edge costs depends on how its first block is mostly entered, and on which banks of
    memory the accesses of its blocks mostly use: both since the reading before, so the same code
    between two readings costs the same wherever it stands. A reading freezes what has been used up
    to it, so readings only grow. Each drops the fraction of a cycle.

    Args:
        counters: What ran.
        prices: What an edge costs.
        unaligned_cycles: What an unaligned read costs.
        caches: What lines cost.
    """

    def __init__(
        self,
        counters: EdgeCounters,
        prices: EdgePrices,
        unaligned_cycles: float,
        caches: CoreCaches,
    ) -> None:
        self._counters = counters
        self._prices = prices
        costs = {
            "taken": 0.0,
            "flash_reads": 0.0,
            "instruction_lines": caches.fill_instruction,
            "data_lines": caches.fill_flash,
            "ram_lines": caches.fill_ram,
            "unaligned": unaligned_cycles,
        }
        self._event_costs = np.array([costs[event] for event in EVENTS], np.float64)
        self._events = np.zeros(len(EVENTS), np.int64)
        self._edges = np.zeros((0, 4), np.int64)
        self._pairs, self._same_bank = (part[:0].copy() for part in counters.bank_pairs())
        self._total = 0

    def read(self) -> int:
        """Cycles until now; the next reading starts from here.

        Raises:
            BoardError: Something ran that cannot be decoded.
        """
        self._total += self._since()
        self._events = self._counters.counts().events.sum(axis=0)
        self._edges = self._counters.edges()
        pairs, same_bank = self._counters.bank_pairs()
        self._pairs, self._same_bank = pairs.copy(), same_bank.copy()
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
        counts = self._counters.counts()
        places = zip(counts.address.tolist(), counts.size.tolist(), strict=True)
        lengths = [self._prices.blocks.facts(place).instructions for place in places]
        return int(counts.executions @ np.array(lengths, np.int64)) if lengths else 0

    def _since(self) -> int:
        edges = self._counters.edges()
        known = len(self._edges)
        edges[:known, 2:] -= self._edges[:, 2:]
        edges = edges[edges[:, 2] > 0]
        events = self._counters.counts().events.sum(axis=0) - self._events
        cycles = float(events @ self._event_costs)
        passages = self._passages(np.unique(edges[:, :2]))
        entered_from = _most_frequent(edges)
        for before, block, times, mispredicted in edges.tolist():
            path = [passages[block]]
            if before != _BEFORE_ANYTHING:
                path.insert(0, passages[before])
                context = entered_from.get(before, _BEFORE_ANYTHING)
                if context != _BEFORE_ANYTHING:
                    path.insert(0, passages[context])
            cost = self._prices.price(path)
            cycles += times * cost.cycles + mispredicted * cost.misprediction
        return math.floor(cycles)

    def _passages(self, rows: npt.NDArray[np.int64]) -> dict[int, tuple[Where, int]]:
        """Blocks with those of their loads that mostly use the bank of the access before.

        Where nothing is known of two accesses, the same bank is assumed.
        """
        pairs, same_bank = (part[rows] for part in self._counters.bank_pairs())
        known = rows < len(self._pairs)
        pairs[known] -= self._pairs[rows[known]]
        same_bank[known] -= self._same_bank[rows[known]]
        bits = np.packbits(2 * same_bank >= pairs, axis=1, bitorder="little")
        all_rows = self._counters.rows()
        found: dict[int, tuple[Where, int]] = {}
        for row, packed in zip(rows.tolist(), bits, strict=True):
            if row == _BEFORE_ANYTHING:
                continue
            where = (int(all_rows[row, 0]), int(all_rows[row, 1]))
            beyond = -1 << pairs.shape[1]
            conflicts = int.from_bytes(packed.tobytes(), "little") | beyond
            found[row] = where, conflicts & self._prices.blocks.facts(where).load_bits
        return found


def _most_frequent(edges: npt.NDArray[np.int64]) -> dict[int, int]:
    """For each block, the one that it was entered from most often."""
    most: dict[int, tuple[int, int]] = {}
    for before, block, times, _ in edges.tolist():
        if times > most.get(block, (0, 0))[0]:
            most[block] = times, before
    return {block: before for block, (_, before) in most.items()}
