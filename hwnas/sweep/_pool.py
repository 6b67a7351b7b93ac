"""The boards of a rack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hwnas.backend import BoardBackend
from hwnas.device.pool import BoardPool
from hwnas.errors import PlanError
from hwnas.network import Layer
from hwnas.sweep._run import SweepOutcome
from hwnas.sweep._worker import failure
from hwnas.table import LayerRecord


class PoolRunner:
    """Runs layers on all boards of one kind in a pool.

    Args:
        pool: The boards; whoever made it closes it.
        board: Name of the kind of board.
    """

    def __init__(self, pool: BoardPool, board: str) -> None:
        self._pool = pool
        self._board = board

    def run(self, layers: Sequence[Layer]) -> Iterator[SweepOutcome]:
        """See :meth:`LayerRunner.run`."""
        for outcome in self._pool.run(layers, _measure, board=self._board):
            if outcome.error is not None:
                yield failure(outcome.job, outcome.error)
            else:
                assert outcome.result is not None
                yield outcome.result


def _measure(backend: BoardBackend, layer: Layer) -> SweepOutcome:
    # What the layer is to blame for is no failure of the board, which another might do better.
    try:
        record: LayerRecord
        (record,) = backend.measure_layers([layer])
    except PlanError as error:
        return failure(layer, error)
    return SweepOutcome(layer, record)
