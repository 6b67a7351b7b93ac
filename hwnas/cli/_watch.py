"""A search as it goes on: progress, troubles, and Ctrl-C."""

from __future__ import annotations

import signal
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import optuna
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from hwnas.cli._output import notices
from hwnas.objective import METRIC, HardwareObjective, HopelessBudgetWarning
from hwnas.search import finished_trials, run_search
from hwnas.trial_record import FAILURE, INVALID, Gate, TrialRecord, finished_records, read_record

_TROUBLES = {FAILURE: "failed", INVALID: "makes no network"}
"""Attributes of a trial that went wrong; each text is told once."""
_LONG_BEFORE = (Gate.DUPLICATE, Gate.STATIC, Gate.TABLE, Gate.BOARD, Gate.USER)


def watch_search(
    study: optuna.Study, objective: HardwareObjective, *, trials: int, jobs: int, quiet: bool
) -> None:
    """Run a search with a progress bar on standard error.

    The first Ctrl-C lets the trials in flight come to their end, a second one cuts them off.

    Raises:
        KeyboardInterrupt: The search was interrupted.
    """
    console = notices(quiet=quiet)
    done = len(finished_trials(study))
    if done:
        console.print(f"resuming study {study.study_name}: {done} trials are there already")
    columns = (
        TextColumn("trials"), BarColumn(bar_width=20), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.description}", markup=False),
    )  # fmt: skip
    records = finished_records(study.get_trials(deepcopy=False)).values()
    tally = _Tally()
    for record in records:
        tally.count(record)
    told: set[str] = set()
    with (
        Progress(*columns, console=console) as progress,
        _patient_interrupts(study, console) as interrupted,
        _hopeless_told(console),
    ):
        bar = progress.add_task(tally.describe(), total=max(trials, done), completed=done)

        def on_trial(trial: optuna.trial.FrozenTrial) -> None:
            record = read_record(trial)
            if record is not None:
                tally.count(record)
            for what, text in trial.user_attrs.items():
                if what in _TROUBLES and text not in told:
                    told.add(text)
                    console.print(f"trial {trial.number} {_TROUBLES[what]}: {text}")
            progress.update(bar, advance=1, description=tally.describe())

        run_search(study, objective, trials=trials, jobs=jobs, on_trial=on_trial)
    if interrupted and len(finished_trials(study)) < trials:
        raise KeyboardInterrupt


class _Tally:
    """What became of candidates so far, in a line."""

    def __init__(self) -> None:
        self._gates = Counter[Gate]()
        self._best: float | None = None

    def count(self, record: TrialRecord) -> None:
        self._gates[record.gate] += 1
        if record.gate is Gate.TRAINED and record.feasible:
            self._best = max(self._best or record.metric, record.metric)

    def describe(self) -> str:
        best = "none trained yet"
        if self._best is not None:
            best = f"best {METRIC} within budget {self._best:.3f}"
        total = max(self._gates.total(), 1)
        stopped = [f"{g} {self._gates[g] / total:.0%}" for g in _LONG_BEFORE if self._gates[g]]
        return ", ".join([best, f"{self._gates[Gate.TRAINED]} trained", *stopped])


@contextmanager
def _patient_interrupts(study: optuna.Study, console: Console) -> Iterator[list[int]]:
    """Let the first Ctrl-C end the study after the trial in flight; gives a list of those seen."""
    seen: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        if len(seen) > 1:
            raise KeyboardInterrupt
        # Not study.stop(), which only a trial's own thread may call.
        study._stop_flag = True
        console.print("ending after the trial in flight; Ctrl-C again ends at once")

    before = signal.signal(signal.SIGINT, end)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _hopeless_told(console: Console) -> Iterator[None]:
    """Say on the console what a library's user would get as a warning."""
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *args: object) -> None:
            if issubclass(category, HopelessBudgetWarning):
                console.print(str(message))
            else:
                usual(message, category, *args)  # type: ignore[arg-type]

        warnings.showwarning = show  # type: ignore[assignment]
        yield
