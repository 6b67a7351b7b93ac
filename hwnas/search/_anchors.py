"""Known networks that a study is to begin with."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.trial import FixedTrial

from hwnas.errors import SpaceError, StudyError
from hwnas.objective import HardwareObjective
from hwnas.search._front import pareto_front
from hwnas.search._storage import reached


def enqueue_anchor(
    study: optuna.Study, objective: HardwareObjective, anchor: str | Mapping[str, Any]
) -> None:
    """Have a study try a known point of its space next.

    Samplers learn from points of the space only, so a network that is none cannot be an anchor.

    Args:
        study: From :func:`hwnas.open_study`.
        objective: Its objective.
        anchor: A named reference of the space, or values of all its parameters.

    Raises:
        StudyError: There is no such reference, or the values make no network of the space.

    Example:
        >>> enqueue_anchor(study, objective, "lenet")  # doctest: +SKIP
    """
    space = objective.space
    try:
        values = space.reference_parameters(anchor) if isinstance(anchor, str) else anchor
        parameters = dict(values)
        with warnings.catch_warnings():
            # Optuna only warns of a value out of its range.
            warnings.simplefilter("error")
            space.sample(FixedTrial(parameters))
    except (SpaceError, optuna.TrialPruned, ValueError, Warning) as error:
        raise StudyError(
            f"anchor {anchor}: it is no point of space {space.name}: {error}"
        ) from error
    with reached():
        study.enqueue_trial(parameters, skip_if_exists=True)


def warm_start(study: optuna.Study, objective: HardwareObjective, source: optuna.Study) -> int:
    """Begin with the networks on another study's front, of another board, say.

    What they cost and how well they do is found out anew.

    Args:
        study: From :func:`hwnas.open_study`.
        objective: Its objective.
        source: A study over the same space.

    Returns:
        How many networks were enqueued.

    Raises:
        StudyError: A network of the front is no point of this space, or a storage failed.
    """
    front = pareto_front(source)
    with reached():
        trials = {trial.number: trial for trial in source.get_trials(deepcopy=False)}
    for entry in front:
        enqueue_anchor(study, objective, trials[entry.number].params)
    return len(front)
