"""Meters that keep what each block of code has cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from hwnas.boards import BoardSpec
from hwnas.virtual.code import block_prices, edge_prices
from hwnas.virtual.collector import EVENTS, Collector
from hwnas.virtual.edge_counters import EdgeCounters
from hwnas.virtual.edge_meter import EdgeMeter
from hwnas.virtual.meter import CycleMeter
from hwnas.virtual.timing import (
    CoreCaches,
    EdgeModel,
    FlashAccelerator,
    Passage,
    core_model,
    memory_model,
)

_STALLS = np.array([event != "taken" for event in EVENTS])
"""All events but a taken branch, which is the core's own."""


@dataclass(frozen=True, slots=True)
class Charges:
    """What blocks of code have cost, in the order in which they ran first.

    Attributes:
        core_cycles: Without what memory added, shape (blocks,), float64.
        stall_cycles: What memory added, shape (blocks,), float64.
        instructions: Of one execution, shape (blocks,), int64.
        prices: Of one execution of a block, without events, shape (blocks,); or of an edge and of
            a misprediction there, on average, shape (edges, 2).
        event_cycles: What each of the events cost, shape (6,), float64.
    """

    core_cycles: npt.NDArray[np.float64]
    stall_cycles: npt.NDArray[np.float64]
    instructions: npt.NDArray[np.int64]
    prices: npt.NDArray[np.float64]
    event_cycles: npt.NDArray[np.float64]

    @property
    def cycles(self) -> npt.NDArray[np.float64]:
        """With what memory added, shape (blocks,), float64."""
        return self.core_cycles + self.stall_cycles


class BlockLedger(CycleMeter):
    """For cores whose blocks have prices; see :class:`CycleMeter`."""

    def charges(self) -> Charges:
        """What each block has cost.

        Raises:
            BoardError: Something ran that cannot be decoded.
        """
        self.code_cycles()  # Prices what has not been priced yet.
        counts = self._counters.counts()
        core, stalls = _split(counts.events, self._event_cycles)
        core += counts.executions * self._block_cycles
        return Charges(core, stalls, self.lengths(), self._block_cycles, self._event_cycles)

    def instruction_cycles(self, block: int, instructions: Sequence[Any]) -> list[float]:
        """What each instruction of a block adds to its price.

        Args:
            block: Its number, in the order in which blocks ran first.
            instructions: Of the block, decoded by capstone with details.
        """
        core = self._prices.core
        ends = [core.block_cost(instructions[:end]).cycles for end in _ends(instructions)]
        return _steps(0.0, ends)


class EdgeLedger(EdgeMeter):
    """For cores whose edges have prices; see :class:`EdgeMeter`.

    An edge has cost what it cost between the readings, each by its own prices.
    """

    _settled = np.zeros((0, 2), np.float64)
    _latest = np.zeros((0, 2), np.float64)

    def code_cycles(self) -> float:
        """See :class:`EdgeMeter`."""
        edges, prices = self.priced()
        self._latest = edges[:, 2:] * prices
        return float(self._latest.sum())

    def start_over(self) -> None:
        """See :class:`EdgeMeter`."""
        super().start_over()
        self._settled = self._spent()

    def charges(self) -> Charges:
        """What each block has cost.

        Raises:
            BoardError: Something ran that cannot be decoded.
        """
        self.code_cycles()
        spent, edges = self._spent(), self._edge_counters.edges()
        counts = self._counters.counts()
        core, stalls = _split(counts.events, self._event_cycles)
        # Row 0 stands for what ran before anything.
        entered = np.bincount(edges[:, 1], spent.sum(axis=1), len(core) + 1)
        prices = spent / np.maximum(edges[:, 2:], 1)
        return Charges(core + entered[1:], stalls, self.lengths(), prices, self._event_cycles)

    def _spent(self) -> npt.NDArray[np.float64]:
        """What edges, and mispredictions there, had cost when they were priced last."""
        spent = self._latest.copy()
        spent[: len(self._settled)] += self._settled
        return spent

    def instruction_cycles(self, block: int, instructions: Sequence[Any]) -> list[float]:
        """See :meth:`BlockLedger.instruction_cycles`; the block is entered as it mostly is."""
        core, blocks = self._prices.core, self._prices.blocks
        *way, (_, bank) = self.usual_way(block + 1)
        before = [Passage(blocks.block(where), conflicts) for where, conflicts in way]
        ends = [
            core.edge_cost([*before, Passage(core.block(instructions[:end]), bank)]).cycles
            for end in _ends(instructions)
        ]
        return _steps(0.0, ends)


Ledger = BlockLedger | EdgeLedger


def ledger_for(spec: BoardSpec, counters: Collector, code: bytes) -> Ledger:
    """The ledger that a board's cycle model needs.

    Args:
        spec: The board.
        counters: What ran.
        code: The code, from the start of flash on.

    Raises:
        BoardError: The board has no cycle model.
    """
    core, memory, base = core_model(spec), memory_model(spec), spec.flash.base
    if isinstance(core, EdgeModel):
        assert isinstance(counters, EdgeCounters) and isinstance(memory, CoreCaches)
        edges = edge_prices(base, code, type(core))
        return EdgeLedger(counters, edges, core.unaligned_cycles, memory)
    assert isinstance(memory, FlashAccelerator)
    return BlockLedger(counters, block_prices(base, code, type(core)), core, memory)


def _split(
    events: npt.NDArray[np.int64], costs: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """What events cost, those of the core and those of memory apart."""
    counts = events.astype(np.float64)
    return counts @ np.where(_STALLS, 0, costs), counts @ np.where(_STALLS, costs, 0)


def _ends(instructions: Sequence[Any]) -> range:
    return range(1, len(instructions) + 1)


def _steps(start: float, ends: list[float]) -> list[float]:
    return [end - before for before, end in pairwise([start, *ends])]
