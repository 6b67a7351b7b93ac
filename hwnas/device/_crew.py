"""Workers on the boards of a pool, and the jobs that they share."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, TypeVar

from hwnas.errors import BoardError, HwnasError

Board = TypeVar("Board")
Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Job, Result]):
    """What became of a job.

    Attributes:
        job: The job.
        result: What the work returned, or ``None`` where it failed.
        error: Why it failed, or ``None``.
        slot: Name of the board that did it, or failed last; empty where none could be had.
    """

    job: Job
    result: Result | None
    error: HwnasError | None
    slot: str


class Crew(Generic[Board, Job, Result]):
    """Worker threads that take jobs from one queue.

    Args:
        jobs: In the order in which they are begun.
        lease: Gives a board, and its name, for one job.
        work: Does a job on a board.
        attempts: On so many leases a job is tried before it fails.
        interrupt: Called where the work ends early: makes boards that are at work fail soon.
    """

    def __init__(
        self,
        jobs: list[Job],
        lease: Callable[[], AbstractContextManager[tuple[str, Board]]],
        work: Callable[[Board, Job], Result],
        *,
        attempts: int,
        interrupt: Callable[[], None],
    ) -> None:
        self._lease = lease
        self._work = work
        self._attempts = attempts
        self._interrupt = interrupt
        self._unfinished = len(jobs)
        self._waiting = deque((job, 0) for job in jobs)
        self._done: deque[Outcome[Job, Result]] = deque()
        self._changed = threading.Condition()
        self._stopping = False

    def outcomes(self, workers: int) -> Iterator[Outcome[Job, Result]]:
        """Starts the workers and yields what becomes of the jobs, as they end."""
        jobs = self._unfinished  # before the first worker ends one
        threads = [
            threading.Thread(target=self._labour, name=f"hwnas board {i}", daemon=True)
            for i in range(min(workers, jobs))
        ]
        for thread in threads:
            thread.start()
        try:
            for _ in range(jobs):
                yield self._await_outcome()
        except BaseException:
            self._stop()
            self._interrupt()
            raise
        finally:
            self._stop()
            for thread in threads:
                thread.join()

    def _await_outcome(self) -> Outcome[Job, Result]:
        with self._changed:
            while not self._done:
                self._changed.wait()
            return self._done.popleft()

    def _stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _next(self) -> tuple[Job, int] | None:
        with self._changed:
            while not self._waiting and self._unfinished and not self._stopping:
                # A job that is at work elsewhere may come back.
                self._changed.wait()
            if self._stopping or not self._unfinished:
                return None
            return self._waiting.popleft()

    def _labour(self) -> None:
        while (taken := self._next()) is not None:
            self._do(*taken)

    def _do(self, job: Job, attempts: int) -> None:
        slot = ""
        try:
            with self._lease() as (slot, board):
                result = self._work(board, job)
        except BoardError as error:
            # Without a slot no board could be had at all: trying again would not help.
            if slot and attempts + 1 < self._attempts:
                self._requeue(job, attempts + 1)
            else:
                self._finish(Outcome(job, None, error, slot))
        except HwnasError as error:
            self._finish(Outcome(job, None, error, slot))
        except Exception as error:
            failure = HwnasError(f"the work raised {type(error).__name__}: {error}")
            failure.__cause__ = error
            self._finish(Outcome(job, None, failure, slot))
        else:
            self._finish(Outcome(job, result, None, slot))

    def _requeue(self, job: Job, attempts: int) -> None:
        with self._changed:
            self._waiting.append((job, attempts))
            self._changed.notify_all()

    def _finish(self, outcome: Outcome[Job, Result]) -> None:
        with self._changed:
            self._unfinished -= 1
            self._done.append(outcome)
            self._changed.notify_all()
