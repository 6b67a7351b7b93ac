"""Several boards on one host: who works with which, and which of them is well.

One worker a board. A board is leased by the id of its probe (or port), over all processes of this
user: the lease is a lock on a file, which the system takes back from a process that dies.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from hwnas._closing import Closing
from hwnas.backend import BoardBackend
from hwnas.device._crew import Crew, Job, Outcome, Result
from hwnas.device.rack import RackEntry, read_rack
from hwnas.errors import BoardError, BoardTimeoutError, HwnasError
from hwnas.firmware import DEFAULT_VARIANT, Variant
from hwnas.kernels import CMSIS_NN
from hwnas.opening import open_backend
from hwnas.resources import CACHE_ADVICE, cache_dir

_ECHO: Final = bytes(range(64))
_POLL_S: Final = 0.05


class SlotState(StrEnum):
    """How a board of a pool is."""

    FREE = "free"
    LEASED = "leased"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Slot:
    """A board's place in a pool.

    Attributes:
        name: For people.
        board: Name of the board, as ``nucleo_l496zg``.
        lease_id: What no two processes may use at once: the probe's id, or the port.
        open: Makes its backend, without opening the board yet.
    """

    name: str
    board: str
    lease_id: str
    open: Callable[[], BoardBackend]


@dataclass(frozen=True, slots=True)
class SlotStatus:
    """A board of a pool, as it is now.

    Attributes:
        name: Of its slot.
        board: Name of the board.
        state: Free, leased in this process, or quarantined.
        leases: How often it was leased.
        failures: How often it failed in a row.
        reason: Of its last failure, or why it could not be had; empty if it is well.
    """

    name: str
    board: str
    state: SlotState
    leases: int
    failures: int
    reason: str


@dataclass(frozen=True, slots=True)
class Retries:
    """How much a pool bears.

    Attributes:
        failures: After so many in a row a board is quarantined.
        attempts: On so many leases a job is tried before it fails.
        backoff_s: Pause after a failure of a board; doubles with each in a row.
    """

    failures: int = 3
    attempts: int = 3
    backoff_s: float = 0.2


@dataclass(slots=True)
class _Place:
    """A slot, and what happens to it; guarded by the pool's condition."""

    slot: Slot
    lock: FileLock
    state: SlotState = SlotState.FREE
    leases: int = 0
    failures: int = 0
    reason: str = ""
    not_before: float = 0.0
    backend: BoardBackend | None = field(default=None, repr=False)


class BoardPool(Closing):
    """Boards of one or more kinds, leased one at a time.

    Args:
        slots: The boards; each name and each lease id once.
        retries: How much is borne before a board is quarantined or a job given up.
        lease_folder: Where the locks lie; by default one of this user on this host.

    Raises:
        BoardError: There is no board, or two of one name or lease id, or the folder of the leases
            cannot be made.

    Example:
        >>> with BoardPool.from_file("rack.toml") as pool:  # doctest: +SKIP
        ...     with pool.lease("nucleo_l496zg") as backend:
        ...         backend.measure_network(network)
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        *,
        retries: Retries | None = None,
        lease_folder: Path | None = None,
    ) -> None:
        for what in ("name", "lease_id"):
            values = [getattr(slot, what) for slot in slots]
            if len(set(values)) < len(values):
                raise BoardError(f"pool: each {what} may stand once, there are {values}")
        if not slots:
            raise BoardError("pool: there is no board in it")
        folder = lease_folder or cache_dir("leases")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BoardError(
                f"pool: the folder of its leases cannot be made ({error}): {CACHE_ADVICE}"
            ) from error
        self._retries = retries or Retries()
        self._changed = threading.Condition()
        self._closed = False
        self._places = [
            # A worker's thread takes the lock and the main thread may give it back.
            _Place(slot, FileLock(_lock_path(folder, slot.lease_id), thread_local=False))
            for slot in slots
        ]

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        kernel_set: str = CMSIS_NN.name,
        variant: Variant = DEFAULT_VARIANT,
        retries: Retries | None = None,
    ) -> BoardPool:
        """The pool that a TOML file describes; see ``docs/pools.md``.

        Args:
            path: The file.
            kernel_set: As :func:`hwnas.open_backend` takes it.
            variant: Likewise.
            retries: When boards are given up.

        Raises:
            BoardError: The file cannot be read, or is wrong; the message names the key.
        """
        slots = [_slot(entry, kernel_set, variant) for entry in read_rack(path)]
        return cls(slots, retries=retries)

    def status(self) -> list[SlotStatus]:
        """How the boards are, in the order of the slots."""
        with self._changed:
            return [
                SlotStatus(p.slot.name, p.slot.board, p.state, p.leases, p.failures, p.reason)
                for p in self._places
            ]

    @contextmanager
    def lease(
        self, board: str | None = None, *, timeout_s: float | None = None
    ) -> Iterator[BoardBackend]:
        """A board for oneself, checked before it is handed out.

        A :class:`BoardError` in the body counts as a failure of the board; anything else does
        not. Either way the lease ends.

        Args:
            board: Name of the kind of board; any by default.
            timeout_s: Longest wait for one, in seconds; without end by default.

        Raises:
            BoardTimeoutError: None became free in time.
            BoardError: All of that kind are quarantined (the message holds the reasons), there is
                none of that kind, or the pool is closed.
        """
        with self._named_lease(board, timeout_s) as (_, backend):
            yield backend

    def run(
        self,
        jobs: Iterable[Job],
        work: Callable[[BoardBackend, Job], Result],
        *,
        board: str | None = None,
    ) -> Iterator[Outcome[Job, Result]]:
        """Do jobs on all boards of a kind at once; outcomes come as they are done.

        A job whose board fails is tried again, on whichever board is free then. Closing the
        iterator, or an interrupt, ends the workers and their leases.

        Args:
            jobs: In the order in which they are begun.
            work: Does one, on a board.
            board: Name of the kind of board; any by default.

        Raises:
            BoardError: There is no board of that kind.
        """
        crew = Crew(
            list(jobs),
            lambda: self._named_lease(board),
            work,
            attempts=self._retries.attempts,
            interrupt=self._interrupt,
        )
        yield from crew.outcomes(len(self._of_kind(board)))

    def pardon(self, name: str) -> None:
        """Take a board out of quarantine, after it was seen to.

        Raises:
            BoardError: There is no board of that name.
        """
        with self._changed:
            for place in self._places:
                if place.slot.name == name:
                    place.failures, place.reason, place.not_before = 0, "", 0.0
                    if place.state is SlotState.QUARANTINED:
                        place.state = SlotState.FREE
                    self._changed.notify_all()
                    return
        raise BoardError(f"pool: there is no board {name!r}")

    def close(self) -> None:
        """Let go of all boards. A lease that is out ends as soon as its holder notices."""
        with self._changed:
            self._closed = True
            places = list(self._places)
            self._changed.notify_all()
        for place in places:
            if place.backend is not None:
                with suppress(BoardError):
                    place.backend.close()
            place.lock.release(force=True)

    @contextmanager
    def _named_lease(
        self, board: str | None, timeout_s: float | None = None
    ) -> Iterator[tuple[str, BoardBackend]]:
        place = self._take(board, timeout_s)
        failure: BoardError | None = None
        try:
            assert place.backend is not None
            yield place.slot.name, place.backend
        except BoardError as error:
            failure = error
            raise
        finally:
            self._give_back(place, failure)

    def _interrupt(self) -> None:
        """Closes the boards that are at work, so that their workers come back soon."""
        for place in self._places:
            if place.state is SlotState.LEASED and place.backend is not None:
                with suppress(BoardError):
                    place.backend.close()

    def _of_kind(self, board: str | None) -> list[_Place]:
        found = [p for p in self._places if board in (None, p.slot.board)]
        if not found:
            kinds = ", ".join(sorted({p.slot.board for p in self._places}))
            raise BoardError(f"pool: there is no {board} in it, but {kinds}")
        return found

    def _take(self, board: str | None, timeout_s: float | None) -> _Place:
        """A checked place that is ours; the wait for others' leases is a poll of their locks."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            with self._changed:
                place = self._claim(board)
                if place is None:
                    if deadline is not None and time.monotonic() >= deadline:
                        raise BoardTimeoutError(
                            f"pool: no {board or 'board'} became free in {timeout_s:g} s"
                        )
                    self._changed.wait(_POLL_S)
                    continue
            try:
                self._check(place)
            except BoardError as error:
                self._give_back(place, error)
            except BaseException:
                self._give_back(place, None)
                raise
            else:
                return place

    def _claim(self, board: str | None) -> _Place | None:
        """A free place with its lock, or ``None`` when one must be waited for."""
        if self._closed:
            raise BoardError("pool: it is closed")
        places = self._of_kind(board)
        if all(p.state is SlotState.QUARANTINED for p in places):
            reasons = "; ".join(f"{p.slot.name}: {p.reason}" for p in places)
            raise BoardError(f"pool: all boards of that kind are quarantined ({reasons})")
        now = time.monotonic()
        for place in sorted(places, key=lambda p: p.leases):
            if place.state is SlotState.FREE and place.not_before <= now:
                try:
                    place.lock.acquire(timeout=0)
                except Timeout:
                    continue
                except OSError as error:
                    raise BoardError(
                        f"pool: the lease of {place.slot.name} cannot be had ({error}): "
                        f"{CACHE_ADVICE}"
                    ) from error
                place.state = SlotState.LEASED
                place.leases += 1
                return place
        return None

    def _check(self, place: _Place) -> None:
        """Opens the board, which checks who it is, and has it answer."""
        if place.backend is None:
            place.backend = place.slot.open()
        try:
            place.backend.open().echo(_ECHO)
        except BoardError:
            place.backend.close()
            raise

    def _give_back(self, place: _Place, error: BoardError | None) -> None:
        with self._changed:
            place.state = SlotState.FREE
            if error is None:
                place.failures, place.reason = 0, ""
            else:
                place.failures += 1
                place.reason = str(error)
                pause = self._retries.backoff_s * 2 ** (place.failures - 1)
                place.not_before = time.monotonic() + pause
                if place.failures >= self._retries.failures:
                    place.state = SlotState.QUARANTINED
            if error is not None and place.backend is not None:
                with suppress(BoardError):
                    place.backend.close()
            place.lock.release(force=True)
            self._changed.notify_all()


def check_rack(path: str | Path) -> list[SlotStatus]:
    """Lease every board of a rack once, which checks it.

    Raises:
        BoardError: The rack's file cannot be read, or is wrong.
    """
    statuses = []
    for entry in read_rack(path):
        with BoardPool([_slot(entry)], retries=Retries(failures=1)) as pool:
            why = ""
            try:
                with pool.lease(timeout_s=0):
                    pass
            except HwnasError as error:
                why = str(error)
            (status,) = pool.status()
            # A board that could not be had at all (in use elsewhere, no firmware) has not failed.
            statuses.append(replace(status, reason=status.reason or why))
    return statuses


def _slot(
    entry: RackEntry, kernel_set: str = CMSIS_NN.name, variant: Variant = DEFAULT_VARIANT
) -> Slot:
    return Slot(
        entry.name,
        entry.board,
        entry.probe or entry.port or f"virtual {entry.name}",
        lambda: open_backend(
            entry.board,
            kernel_set=kernel_set,
            variant=variant,
            port=entry.port,
            probe=entry.probe,
            meter=entry.meter,
        ),
    )


def _lock_path(folder: Path, lease_id: str) -> Path:
    """Lease ids hold slashes and colons; the hash keeps them apart, the text tells people."""
    readable = "".join(c if c.isalnum() else "-" for c in lease_id)[-24:]
    return folder / f"{readable}-{sha256(lease_id.encode()).hexdigest()[:12]}.lock"
