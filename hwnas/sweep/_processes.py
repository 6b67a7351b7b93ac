"""Virtual boards in processes of this machine, one a core."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process

from hwnas.errors import BoardError
from hwnas.network import Layer
from hwnas.sweep._run import SweepOutcome
from hwnas.sweep._worker import BoardChoice, run_here

_AHEAD = 2
"""Layers that are handed out for each worker: one at work, one waiting."""
_LOST = "BoardError: the process that ran it died, twice"


class ProcessRunner:
    """Runs layers on virtual boards, each in a process of its own.

    A worker that dies is replaced, and the layers that were handed out are run again, one by one,
    so that the layer that kills workers is found; that one is an outcome with its reason.

    Args:
        choice: The board.
        workers: How many processes; one a core by default.

    Raises:
        BoardError: ``workers`` is below 1.
    """

    def __init__(self, choice: BoardChoice, workers: int | None = None) -> None:
        self._choice = choice
        self._workers = workers if workers is not None else os.cpu_count() or 1
        if self._workers < 1:
            raise BoardError(f"workers {workers} must be 1 or more")

    def run(self, layers: Sequence[Layer]) -> Iterator[SweepOutcome]:
        """See :meth:`LayerRunner.run`."""
        waiting, suspects = deque(layers), deque[Layer]()
        while waiting or suspects:
            if suspects:
                yield from self._alone(suspects)
            else:
                yield from self._together(waiting, suspects)

    def _alone(self, suspects: deque[Layer]) -> Iterator[SweepOutcome]:
        """Run suspects one by one, until a worker dies."""
        with self._executor(1) as executor:
            while suspects:
                layer = suspects.popleft()
                try:
                    yield executor.submit(run_here, self._choice, layer).result()
                except BrokenProcessPool:
                    yield SweepOutcome(layer, None, _LOST)
                    return

    def _together(self, waiting: deque[Layer], suspects: deque[Layer]) -> Iterator[SweepOutcome]:
        """Run what waits on all workers, until one dies; what was handed out is suspect then."""
        handed_out: dict[Future[SweepOutcome], Layer] = {}
        executor = self._executor(self._workers)
        try:
            while waiting or handed_out:
                while waiting and len(handed_out) < _AHEAD * self._workers:
                    future = executor.submit(run_here, self._choice, waiting[0])
                    handed_out[future] = waiting.popleft()
                done, _ = wait(handed_out, return_when=FIRST_COMPLETED)
                for future in done:
                    outcome = future.result()
                    del handed_out[future]
                    yield outcome
        except BrokenProcessPool:
            suspects.extend(handed_out.values())
        finally:
            executor.shutdown(wait=True, cancel_futures=True)

    def _executor(self, workers: int) -> ProcessPoolExecutor:
        # Not forked: the emulator's threads and the table's connections stay in this process.
        return ProcessPoolExecutor(
            workers, mp_context=get_context("spawn"), initializer=_follow_the_parent
        )


def _follow_the_parent() -> None:
    """Leave interrupts to the parent, and end with it, even where it was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
