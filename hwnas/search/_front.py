"""The networks of a study that no other one beats."""

from __future__ import annotations

from dataclasses import dataclass

import optuna
from optuna.study import StudyDirection

from hwnas.search._storage import reached
from hwnas.trial_record import TrialRecord, read_record


@dataclass(frozen=True, slots=True)
class FrontEntry:
    """One network on the Pareto front.

    Attributes:
        number: Of the trial.
        values: The study's objective values, in its order.
        record: The candidate's record.
    """

    number: int
    values: tuple[float, ...]
    record: TrialRecord


def pareto_front(study: optuna.Study) -> list[FrontEntry]:
    """Trained networks that no other trained, feasible network beats in every objective.

    Ordered by the first objective that is minimized; a network that was sampled twice stands once.

    Raises:
        StudyError: The storage failed.
    """
    with reached():
        best, directions = study.best_trials, study.directions
    entries: dict[str, FrontEntry] = {}
    for trial in best:
        record = read_record(trial)
        if record is not None and record.trained and record.feasible:
            entry = FrontEntry(trial.number, tuple(trial.values), record)
            entries.setdefault(record.digest, entry)
    first = next((i for i, way in enumerate(directions) if way is StudyDirection.MINIMIZE), 0)
    return sorted(entries.values(), key=lambda entry: entry.values[first])
