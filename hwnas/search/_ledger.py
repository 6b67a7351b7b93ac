"""Where the candidates of a study ended, and what their ends spent and spared."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import optuna
from optuna.trial import FrozenTrial, TrialState

from hwnas.evaluator import Rung
from hwnas.search._storage import reached
from hwnas.trial_record import FAILURE, INVALID, JUDGED, Gate, finished_records

LEDGER_ATTRIBUTE: Final = "hwnas_ledger"
"""Attribute of a study: its ledger, as of the end of the last search."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """How many candidates each gate stopped, and what that spared.

    Attributes:
        stopped: Candidates by what ended their way; ``trained`` ones passed every gate, ``pruned``
            ones did and were given up by the training function.
        failed: Trials that ended in an error.
        cut_off: Trials that an interrupt or a crash cut off. They do not count as finished:
            :func:`run_search` makes up for them.
        seconds: Host time by rung, over all candidates.
        saved: Training time spared by each gate, in seconds: its candidates, each at
            ``training_estimate_s``. Empty while there is no estimate.
        training_estimate_s: Mean time of the trainings that came to their end, in seconds;
            ``None`` while there are none.
        by_basis: Networks by how their latency was obtained: ``network`` (run end to end),
            ``table`` (sum over layers) or ``static`` (estimated).
    """

    stopped: dict[Gate, int]
    failed: int
    cut_off: int
    seconds: dict[str, float]
    saved: dict[Gate, float]
    training_estimate_s: float | None
    by_basis: dict[str, int]

    @property
    def training_seconds_saved(self) -> float | None:
        """An estimate over all gates, in seconds; ``None`` while there is none."""
        return None if self.training_estimate_s is None else sum(self.saved.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "stopped": {str(gate): count for gate, count in self.stopped.items()},
            "failed": self.failed,
            "cut_off": self.cut_off,
            "seconds": self.seconds,
            "saved_seconds": {str(gate): spared for gate, spared in self.saved.items()},
            "training_seconds_saved": self.training_seconds_saved,
            "training_estimate_s": self.training_estimate_s,
            "networks_by_basis": self.by_basis,
        }


def ledger(study: optuna.Study) -> Ledger:
    """Counts and times over all trials of a study that came to an end.

    Raises:
        StudyError: The storage failed.
    """
    with reached():
        trials = study.get_trials(deepcopy=False)
    finished = [trial for trial in trials if is_finished(trial)]
    failed = sum(trial.state is TrialState.FAIL for trial in finished)
    stopped = Counter({gate: 0 for gate in Gate})
    stopped[Gate.SPACE] = sum(INVALID in trial.user_attrs for trial in finished)
    seconds, by_basis = Counter[str](), Counter[str]()
    to_the_end = 0.0
    for record in finished_records(finished).values():
        stopped[record.gate] += 1
        seconds.update(record.seconds)
        if record.duplicate_of is None:
            by_basis[str(record.cost["basis"])] += 1
        if record.gate is Gate.TRAINED:
            to_the_end += record.seconds[Rung.TRAIN]
    trained = stopped[Gate.TRAINED]
    estimate = to_the_end / trained if trained else None
    untrained = [gate for gate in Gate if gate not in (Gate.TRAINED, Gate.PRUNED)]
    return Ledger(
        stopped=dict(stopped),
        failed=failed,
        cut_off=sum(t.state is TrialState.FAIL for t in trials) - failed,
        seconds=dict(seconds),
        saved={} if estimate is None else {g: estimate * stopped[g] for g in untrained},
        training_estimate_s=estimate,
        by_basis=dict(by_basis),
    )


def store_ledger(study: optuna.Study) -> None:
    """Keep the ledger with its study, where a dashboard shows it.

    Raises:
        StudyError: The storage failed.
    """
    found = ledger(study)
    with reached():
        study.set_user_attr(LEDGER_ATTRIBUTE, found.to_dict())


def is_finished(trial: FrozenTrial) -> bool:
    """Optuna calls a trial failed that an interrupt ended; only :data:`FAILURE` tells a reason."""
    return trial.state in JUDGED or (trial.state is TrialState.FAIL and FAILURE in trial.user_attrs)
