"""Virtual boards on a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

from hwnas._closing import Closing
from hwnas.errors import BoardError
from hwnas.network import Layer
from hwnas.sweep._run import SweepOutcome
from hwnas.sweep._worker import BoardChoice, run_here


class DaskRunner(Closing):
    """Runs layers on the workers of a Dask cluster; each process of it keeps a board of its own.

    The layers of a worker that dies are run on another one: Dask sees to that. Workers need hwnas
    in the same version, and find or build the same firmware.

    Args:
        choice: The board.
        address: Of the cluster's scheduler, ``tcp://host:8786``.
        timeout_s: Longest wait for the scheduler, in seconds.

    Raises:
        BoardError: ``distributed`` is not installed, or the scheduler does not answer.
    """

    def __init__(self, choice: BoardChoice, address: str, timeout_s: float = 10.0) -> None:
        try:
            distributed: Any = import_module("distributed")
        except ImportError as error:
            raise BoardError(
                f"a sweep on a cluster needs distributed ({error}): pip install 'hwnas[dask]'"
            ) from error
        self._distributed = distributed
        self._choice = choice
        self._address = address
        try:
            self._client = distributed.Client(address, timeout=timeout_s, set_as_default=False)
        except (OSError, ValueError) as error:
            raise BoardError(f"the cluster at {address} does not answer: {error}") from error

    def run(self, layers: Sequence[Layer]) -> Iterator[SweepOutcome]:
        """See :meth:`LayerRunner.run`.

        Raises:
            BoardError: The cluster is lost.
        """
        futures = self._client.map(
            run_here, [self._choice] * len(layers), list(layers), pure=False, key="hwnas-layer"
        )
        layer_of = {future.key: layer for future, layer in zip(futures, layers, strict=True)}
        with self._client.as_current():
            completed = self._distributed.as_completed(futures)
        try:
            for future in completed:
                yield self._outcome(future, layer_of[future.key])
        finally:
            self._client.cancel(futures)

    def close(self) -> None:
        """Leave the cluster, which goes on."""
        self._client.close()

    def _outcome(self, future: Any, layer: Layer) -> SweepOutcome:
        if future.status == "finished":
            outcome: SweepOutcome = future.result()
            return outcome
        if future.status == "error":
            # Among others KilledWorker: a layer under which several workers died.
            error = future.exception()
            return SweepOutcome(layer, None, f"{type(error).__name__}: {error}")
        raise BoardError(
            f"the cluster at {self._address} is lost ({future.status}): the rows so far are in "
            "the table; run the sweep again to go on"
        )
