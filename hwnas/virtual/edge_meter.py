"""Cycles from counts of edges."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hwnas.virtual.code import EdgePrices, Where
from hwnas.virtual.edge_counters import EdgeCounters
from hwnas.virtual.meter import Meter
from hwnas.virtual.timing import CoreCaches

_BEFORE_ANYTHING = 0
_LONGEST_WAY = 3


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
        edges, prices = self.priced()
        return float((edges[:, 2:] * prices).sum())

    def priced(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """All edges with their counts since the last reading, and what they cost since then.

        Returns:
            Edges as :meth:`EdgeCounters.edges` has them; the price of each, and of a misprediction
            there, shape (edges, 2), 0 where it did not run.
        """
        edges = self._edge_counters.edges()
        edges[: len(self._edges), 2:] -= self._edges[:, 2:]
        prices = np.zeros((len(edges), 2), np.float64)
        (ran,) = np.nonzero(edges[:, 2])
        rows = np.unique(edges[ran, :2])
        pairs, same_bank = (part[rows] for part in self._edge_counters.bank_pairs())
        known = rows < len(self._pairs)
        pairs[known] -= self._pairs[rows[known]]
        same_bank[known] -= self._same_bank[rows[known]]
        passages = self._passages(rows, pairs, same_bank)
        entered_from = _most_frequent(edges[ran])
        for edge, (before, block) in zip(ran.tolist(), edges[ran, :2].tolist(), strict=True):
            way = (entered_from.get(before), before, block)
            prices[edge] = self._prices.price([passages[row] for row in way if row in passages])
        return edges, prices

    def start_over(self) -> None:
        """See :class:`Meter`."""
        super().start_over()
        self._edges = self._edge_counters.edges()
        pairs, same_bank = self._edge_counters.bank_pairs()
        self._pairs, self._same_bank = pairs.copy(), same_bank.copy()

    def length(self, where: Where) -> int:
        """See :class:`Meter`."""
        return self._prices.blocks.of(*where).instructions

    def usual_way(self, row: int) -> list[tuple[Where, int]]:
        """A block and the one or two that mostly ran before it, over all of the run.

        Args:
            row: Of the block, as :meth:`EdgeCounters.edges` numbers them.

        Returns:
            Each with those of its loads that mostly use the bank of the access before.
        """
        entered_from = _most_frequent(self._edge_counters.edges())
        way = [row]
        while len(way) < _LONGEST_WAY and entered_from.get(way[0], _BEFORE_ANYTHING):
            way.insert(0, entered_from[way[0]])
        rows = np.array(way)
        pairs, same_bank = (part[rows] for part in self._edge_counters.bank_pairs())
        passages = self._passages(rows, pairs, same_bank)
        return [passages[row] for row in way]

    def _passages(
        self,
        rows: npt.NDArray[np.int64],
        pairs: npt.NDArray[np.int64],
        same_bank: npt.NDArray[np.int64],
    ) -> dict[int, tuple[Where, int]]:
        """Blocks with those of their loads that mostly use the bank of the access before.

        Where nothing is known of two accesses, the same bank is assumed.

        Args:
            rows: The blocks.
            pairs: How often each of their accesses came behind another one.
            same_bank: How often both used the same bank.
        """
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


def _most_frequent(edges: npt.NDArray[np.int64]) -> dict[int, int]:
    """For each block, the one that it was entered from most often."""
    most: dict[int, tuple[int, int]] = {}
    for before, block, times, _ in edges.tolist():
        if times > most.get(block, (0, 0))[0]:
            most[block] = times, before
    return {block: before for block, (_, before) in most.items()}
