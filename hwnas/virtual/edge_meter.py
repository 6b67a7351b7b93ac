"""Cycles from counts of edges."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hwnas.virtual.code import EdgePrices, Where
from hwnas.virtual.edge_counters import EdgeCounters
from hwnas.virtual.meter import Meter
from hwnas.virtual.timing import CoreCaches

_BEFORE_ANYTHING = 0


class EdgeMeter(Meter):
    """The meter of a core whose edges have prices: counts of edges times their costs.

    What an edge costs depends on how its first block is mostly entered, and on which banks of
    memory the accesses of its blocks mostly use: both since the reading before, so the same code
    between two readings costs the same wherever it stands.

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
        event_cycles = {
            "instruction_lines": caches.fill_instruction,
            "data_lines": caches.fill_flash,
            "ram_lines": caches.fill_ram,
            "unaligned": unaligned_cycles,
        }
        super().__init__(counters, prices, event_cycles)
        self._edge_counters = counters
        self._prices = prices
        self._edges = counters.edges()[:0]
        self._pairs, self._same_bank = (part[:0] for part in counters.bank_pairs())

    def code_cycles(self) -> float:
        """See :class:`Meter`."""
        edges = self._edge_counters.edges()
        edges[: len(self._edges), 2:] -= self._edges[:, 2:]
        edges = edges[edges[:, 2] > 0]
        passages = self._passages(np.unique(edges[:, :2]))
        passed: list[list[int]] = edges.tolist()
        entered_from = _most_frequent(passed)
        cycles = 0.0
        for before, block, times, mispredicted in passed:
            rows = (entered_from.get(before), before, block)
            cost = self._prices.price([passages[row] for row in rows if row in passages])
            cycles += times * cost.cycles + mispredicted * cost.misprediction
        return cycles

    def start_over(self) -> None:
        """See :class:`Meter`."""
        super().start_over()
        self._edges = self._edge_counters.edges()
        pairs, same_bank = self._edge_counters.bank_pairs()
        self._pairs, self._same_bank = pairs.copy(), same_bank.copy()

    def length(self, where: Where) -> int:
        """See :class:`Meter`."""
        return self._prices.blocks.of(*where).instructions

    def _passages(self, rows: npt.NDArray[np.int64]) -> dict[int, tuple[Where, int]]:
        """Blocks with those of their loads that mostly use the bank of the access before.

        Where nothing is known of two accesses, the same bank is assumed.
        """
        pairs, same_bank = (part[rows] for part in self._edge_counters.bank_pairs())
        known = rows < len(self._pairs)
        pairs[known] -= self._pairs[rows[known]]
        same_bank[known] -= self._same_bank[rows[known]]
        bits = np.packbits(2 * same_bank >= pairs, axis=1, bitorder="little")
        all_rows = self._edge_counters.rows()
        found: dict[int, tuple[Where, int]] = {}
        for row, packed in zip(rows.tolist(), bits, strict=True):
            if row == _BEFORE_ANYTHING:
                continue
            where = (int(all_rows[row, 0]), int(all_rows[row, 1]))
            beyond = -1 << pairs.shape[1]
            conflicts = int.from_bytes(packed.tobytes(), "little") | beyond
            found[row] = where, conflicts & self._prices.blocks.of(*where).load_bits
        return found


def _most_frequent(edges: list[list[int]]) -> dict[int, int]:
    """For each block, the one that it was entered from most often."""
    most: dict[int, tuple[int, int]] = {}
    for before, block, times, _ in edges:
        if times > most.get(block, (0, 0))[0]:
            most[block] = times, before
    return {block: before for block, (_, before) in most.items()}
