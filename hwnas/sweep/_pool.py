"""The boards of a rack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hwnas.backend import SILICON, BoardBackend
from hwnas.device.pool import BoardPool
from hwnas.errors import PlanError
from hwnas.network import Layer
from hwnas.sweep._run import SweepOutcome
from hwnas.sweep._worker import failure


class PoolRunner:
    """Runs layers on all boards of one kind in a pool.

    A lease is for as many layers as a physical board takes in one plan. Where a lease fails, its
    layers are run again one by one, so that only those that fail by themselves are failures.

    Args:
        pool: The boards; whoever made it closes it.
        board: Name of the kind of board.
    """

    def __init__(self, pool: BoardPool, board: str) -> None:
        self._pool = pool
        self._board = board

    def run(self, layers: Sequence[Layer]) -> Iterator[SweepOutcome]:
        """See :meth:`LayerRunner.run`."""
        size = SILICON.together
        jobs = [tuple(layers[i : i + size]) for i in range(0, len(layers), size)]
        suspects: list[Layer] = []
        for outcome in self._pool.run(jobs, _measure, board=self._board):
            if outcome.result is not None:
                yield from outcome.result
            else:
                suspects += outcome.job
        for alone in self._pool.run([(layer,) for layer in suspects], _measure, board=self._board):
            if alone.result is not None:
                yield from alone.result
            else:
                assert alone.error is not None
                yield failure(alone.job[0], alone.error)


def _measure(backend: BoardBackend, layers: tuple[Layer, ...]) -> list[SweepOutcome]:
    # What a layer is to blame for is no failure of the board, which another might do better.
    try:
        return [SweepOutcome(record.layer, record) for record in backend.measure_layers(layers)]
    except PlanError as error:
        if len(layers) == 1:
            return [failure(layers[0], error)]
    return [outcome for layer in layers for outcome in _measure(backend, (layer,))]
