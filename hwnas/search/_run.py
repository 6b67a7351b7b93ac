"""Runs a study until it holds as many trials as were asked for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import optuna
from optuna.trial import FrozenTrial, TrialState

from hwnas.errors import HwnasError, StudyError
from hwnas.objective import HardwareObjective
from hwnas.search._ledger import is_finished, store_ledger
from hwnas.search._storage import reached


def run_search(
    study: optuna.Study,
    objective: HardwareObjective,
    *,
    trials: int,
    jobs: int = 1,
    on_trial: Callable[[FrozenTrial], None] | None = None,
) -> None:
    """Go on until the study holds ``trials`` finished trials.

    A trial that fails with an :class:`HwnasError` is recorded as failed with its reason in the
    attribute ``hwnas_error`` and the study goes on; anything else ends the search. Interrupt and
    call again to resume: at most the trials in flight are lost, and others take their place.

    Several processes may run one study; each ends when the study is full, so that there may be a
    few trials more than were asked for. ``study.stop()`` ends this one after the trial in flight.
    The ledger is stored with the study when the search ends, however it does.

    Args:
        study: From :func:`hwnas.open_study`.
        objective: Judges and trains.
        trials: Finished trials that the study is to hold.
        jobs: Threads; they share the board.
        on_trial: Is told of each trial of this process that ended.

    Raises:
        StudyError: The storage failed; finished trials are in it.
    """

    def end_of_trial(study: optuna.Study, trial: FrozenTrial) -> None:
        if on_trial is not None:
            on_trial(trial)
        if len(finished_trials(study)) >= trials:
            study.stop()

    with reached():
        remaining = trials - len(finished_trials(study))
        if remaining <= 0:
            return
        try:
            study.optimize(
                objective,
                n_trials=remaining,
                n_jobs=jobs,
                catch=(HwnasError,),
                callbacks=[end_of_trial],
            )
        finally:
            with suppress(StudyError):
                store_ledger(study)


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that came to their own end, were it an error; not those that were cut off.

    Raises:
        StudyError: The storage failed.
    """
    ended = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    with reached():
        return [t for t in study.get_trials(deepcopy=False, states=ended) if is_finished(t)]
