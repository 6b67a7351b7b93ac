"""A trial's network, built again from what the study keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import optuna

from hwnas.errors import NetworkError, StudyError
from hwnas.network import Network
from hwnas.search._storage import reached
from hwnas.trial_record import FAILURE, INVALID, TrialRecord, read_record


@dataclass(frozen=True, slots=True)
class LoadedTrial:
    """A trial with its network.

    Attributes:
        number: Of the trial.
        network: As it was judged: snapped.
        record: Costs, verdict, metric.
    """

    number: int
    network: Network
    record: TrialRecord

    def build_model(self) -> Any:
        """The Keras model as it was handed to ``train``, with new weights.

        Raises:
            ImportError: Keras is not installed.
        """
        from hwnas.keras_io import to_keras

        return to_keras(self.network)


def load_trial(study: optuna.Study, number: int) -> LoadedTrial:
    """A trial of a study, with its network.

    Args:
        study: One that was run with :class:`hwnas.HardwareObjective`.
        number: Of the trial.

    Raises:
        StudyError: There is no such trial, it made no network, or what the study keeps of it is
            damaged.

    Example:
        >>> model = load_trial(study, 17).build_model()  # doctest: +SKIP
    """
    with reached():
        trials = study.get_trials(deepcopy=False)
    if not 0 <= number < len(trials):
        raise StudyError(
            f"trial {number}: study {study.study_name!r} has trials 0 to {len(trials) - 1}"
        )
    trial = trials[number]
    record = read_record(trial)
    if record is None:
        why = trial.user_attrs.get(INVALID) or trial.user_attrs.get(FAILURE)
        raise StudyError(f"trial {number}: it has no network ({why or trial.state.name.lower()})")
    try:
        return LoadedTrial(number, record.rebuild_network(), record)
    except NetworkError as error:
        raise StudyError(f"trial {number}: its network is damaged: {error}") from error
