"""What a study's trials have found out about networks, whichever process ran them."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, Final

import optuna
from optuna.storages import fail_stale_trials
from optuna.trial import Trial, TrialState

from hwnas.trial_record import JUDGED, TrialRecord, read_record

CLAIM: Final = "hwnas_claim"
"""Attribute of a trial that trains a network, or waits for another one that does."""
_CHOOSING: Final = 0
_FIRST_WAIT_S: Final = 0.02
_LONGEST_WAIT_S: Final = 1.0
_STALE_CHECK_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Remembered:
    """What became of a network.

    Attributes:
        number: Of the trial that found out.
        record: Its record.
    """

    number: int
    record: TrialRecord


class TrialMemory:
    """Networks of a study by digest, read from its storage as they come in.

    Several trials may want to train one network at once, in threads, processes or hosts of which
    each sees no more than the study's storage. Storages have no locks, but what one trial writes
    into its attributes all others can read: that is enough for Lamport's bakery algorithm (Lamport
    1974, "A new solution of Dijkstra's concurrent programming problem"). A trial takes a number
    larger than all it sees, and waits for those with smaller ones; what they find out is its
    answer, and where they fail it takes their place.

    Args:
        patience_s: Longest wait for another trial that trains the same network, in seconds. Then
            it is taken for dead, and the network is trained once more.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._by_digest: dict[str, Remembered] = {}
        self._seen: set[int] = set()
        self._study: int | None = None
        self._lock = Lock()

    def find(self, trial: Trial, digest: str) -> Remembered | None:
        """What earlier trials of the study found out about a network."""
        with self._lock:
            self._catch_up(trial.study)
            return self._by_digest.get(digest)

    def records(self, study: optuna.Study) -> list[Remembered]:
        """All networks that are known, each once."""
        with self._lock:
            self._catch_up(study)
            return list(self._by_digest.values())

    def claim(self, trial: Trial, digest: str) -> Remembered | None:
        """Wait until a network is this trial's to train, or until another trial has trained it.

        Returns:
            What another trial found out, or ``None`` where this one is to train. The claim ends
            with the trial.
        """
        self._write(trial, digest, _CHOOSING)
        tickets = [claim.ticket for claim in self._others(trial, digest)]
        mine = (1 + max(tickets, default=_CHOOSING), trial.number)
        self._write(trial, digest, mine[0])
        start = stale_check = time.monotonic()
        wait_s = _FIRST_WAIT_S
        while any(claim.comes_before(mine) for claim in self._others(trial, digest)):
            if time.monotonic() - start > self._patience_s:
                break
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            if time.monotonic() - stale_check > _STALE_CHECK_S:
                # Frees what a process left that died on another host.
                fail_stale_trials(trial.study)
                stale_check = time.monotonic()
        return self.find(trial, digest)

    def _catch_up(self, study: optuna.Study) -> None:
        if self._study != study._study_id:
            self._study = study._study_id
            self._by_digest.clear()
            self._seen.clear()
        for other in study.get_trials(deepcopy=False, states=JUDGED):
            if other.number not in self._seen:
                self._seen.add(other.number)
                record = read_record(other)
                if record is not None and record.duplicate_of is None:
                    self._by_digest.setdefault(record.digest, Remembered(other.number, record))

    @staticmethod
    def _write(trial: Trial, digest: str, ticket: int) -> None:
        host, process = _this_process()
        trial.set_user_attr(
            CLAIM, {"digest": digest, "ticket": ticket, "host": host, "process": process}
        )

    @staticmethod
    def _others(trial: Trial, digest: str) -> Iterator[_Claim]:
        for other in trial.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            data = other.user_attrs.get(CLAIM)
            if data is not None and data["digest"] == digest and other.number != trial.number:
                claim = _Claim.read(other.number, data)
                if claim.may_be_alive:
                    yield claim


@dataclass(frozen=True, slots=True)
class _Claim:
    """Another trial's claim on a network."""

    number: int
    ticket: int
    host: str
    process: str

    @classmethod
    def read(cls, number: int, data: Mapping[str, Any]) -> _Claim:
        return cls(number, data["ticket"], data["host"], data["process"])

    def comes_before(self, mine: tuple[int, int]) -> bool:
        """Whether it goes first; one that still chooses its ticket may."""
        return self.ticket == _CHOOSING or (self.ticket, self.number) < mine

    @property
    def may_be_alive(self) -> bool:
        """Whether its process is there; on another host that cannot be told."""
        here, _ = _this_process()
        return self.host != here or _started(int(self.process.partition(":")[0])) == self.process


def _this_process() -> tuple[str, str]:
    # A fork must not answer with its parent's.
    return _this_host(), _started(os.getpid())


@cache
def _this_host() -> str:
    """The host, and the namespace in which its process ids count: containers have their own."""
    return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"


def _started(pid: int) -> str:
    """A process by its id and start time, as ids are used again; empty where there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else f"{pid}:{fields[19]}"
