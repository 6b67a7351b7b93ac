"""Runs a search: opens or resumes its study, and tells what came out."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from hwnas.errors import HwnasError, StudyError
from hwnas.objective import METRIC, HardwareObjective
from hwnas.trial_record import Gate, TrialRecord, finished_records, read_record

CONFIG_ATTRIBUTE: Final = "hwnas_config"
HEARTBEAT_SECONDS: Final = 30
FINISHED: Final = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


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


@dataclass(frozen=True, slots=True)
class Ledger:
    """How many candidates each gate stopped, and what that spared.

    Attributes:
        stopped: Candidates by what ended their way; ``trained`` ones passed every gate.
        failed: Trials that ended in an error.
        seconds: Host time by rung, over all candidates.
        training_seconds_saved: Candidates that were not trained, each at the mean training time
            of those that were: an estimate, ``None`` while nothing was trained.
    """

    stopped: dict[Gate, int]
    failed: int
    seconds: dict[str, float]
    training_seconds_saved: float | None


def open_study(
    objective: HardwareObjective,
    *,
    storage: str | None = None,
    name: str = "hwnas",
    sampler: optuna.samplers.BaseSampler | None = None,
    seed: int | None = None,
) -> optuna.Study:
    """Create a study for an objective, or resume the one of that name.

    Args:
        objective: Gives directions and metric names.
        storage: Optuna storage URL; in memory by default.
        name: Of the study.
        sampler: NSGA-II by default.
        seed: For the default sampler; a resumed study draws other numbers than a fresh one.

    Raises:
        StudyError: The storage cannot be opened, or the study was made with another space,
            budget, target or other objectives.
    """
    try:
        with _unwarned():
            study = optuna.create_study(
                storage=None if storage is None else _storage(storage),
                study_name=name,
                directions=objective.directions,
                sampler=sampler,
                load_if_exists=True,
            )
    except (SQLAlchemyError, ValueError, ImportError, OSError, RuntimeError) as error:
        raise StudyError(f"study {name!r} in {storage}: cannot be opened ({error})") from error
    _claim(study, objective)
    if sampler is None:
        offset = len(study.get_trials(deepcopy=False))
        # Small populations suit searches of tens of trials: the default of 50 would spend them
        # all on the random first generation.
        study.sampler = optuna.samplers.NSGAIISampler(
            population_size=16, seed=None if seed is None else seed + offset
        )
    return study


def run_search(
    study: optuna.Study,
    objective: HardwareObjective,
    *,
    trials: int,
    on_trial: Callable[[FrozenTrial], None] | None = None,
) -> None:
    """Go on until the study holds ``trials`` finished trials.

    A trial that fails with an :class:`HwnasError` is recorded as failed with its reason in the
    attribute ``hwnas_error`` and the study goes on; anything else ends the search. Interrupt and
    call again to resume: at most the trial in flight is lost.
    """
    remaining = trials - len(study.get_trials(deepcopy=False, states=FINISHED))
    if remaining <= 0:
        return
    callbacks = [] if on_trial is None else [lambda _study, trial: on_trial(trial)]
    study.optimize(
        _with_reason(objective), n_trials=remaining, catch=(HwnasError,), callbacks=callbacks
    )


def pareto_front(study: optuna.Study) -> list[FrontEntry]:
    """Trained networks that no other trained, feasible network beats in every objective.

    Ordered by the first hardware objective; a network that was sampled twice stands once.
    """
    entries: dict[str, FrontEntry] = {}
    for trial in study.best_trials:
        record = read_record(trial)
        if record is not None and record.trained and record.feasible:
            entry = FrontEntry(trial.number, tuple(trial.values), record)
            entries.setdefault(record.digest, entry)
    return sorted(entries.values(), key=lambda entry: entry.record.cost["latency_ms"])


def ledger(study: optuna.Study) -> Ledger:
    """Counts and times over all finished trials of a study."""
    trials = study.get_trials(deepcopy=False, states=FINISHED)
    records = finished_records(trials).values()
    stopped = Counter({gate: 0 for gate in Gate})
    seconds: Counter[str] = Counter()
    for record in records:
        stopped[record.gate] += 1
        seconds.update(record.seconds)
    stopped[Gate.SPACE] = sum("hwnas_invalid" in trial.user_attrs for trial in trials)
    trained = stopped[Gate.TRAINED]
    untrained = sum(stopped.values()) - trained
    return Ledger(
        stopped=dict(stopped),
        failed=sum(trial.state is TrialState.FAIL for trial in trials),
        seconds=dict(seconds),
        training_seconds_saved=seconds["train"] / trained * untrained if trained else None,
    )


def metric_names(objectives: Sequence[str]) -> list[str]:
    """Names for Optuna's dashboard and plots."""
    return [name if name == METRIC else name.replace("_", " ") for name in objectives]


def storage_path(url: str) -> Path | None:
    """The file behind a SQLite URL, ``None`` for anything else."""
    match = re.fullmatch(r"sqlite(?:\+\w+)?:///(.+)", url)
    return Path(match[1]) if match else None


def _storage(url: str) -> RDBStorage:
    path = storage_path(url)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    engine_kwargs: dict[str, Any] = {}
    if make_url(url).get_backend_name() == "sqlite":
        engine_kwargs["connect_args"] = {"timeout": 30}
    return RDBStorage(url, engine_kwargs=engine_kwargs, heartbeat_interval=HEARTBEAT_SECONDS)


@contextmanager
def _unwarned() -> Iterator[None]:
    """Metric names and heartbeats are experimental in Optuna 5; users of ours need not know."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


def _claim(study: optuna.Study, objective: HardwareObjective) -> None:
    """Write the configuration into a new study; refuse a resumed one that differs."""
    config = objective.config()
    known = study.user_attrs.get(CONFIG_ATTRIBUTE)
    if known is None:
        with _unwarned():
            study.set_metric_names(metric_names(objective.objectives))
        study.set_user_attr(CONFIG_ATTRIBUTE, config)
        return
    differing = [key for key in config if known.get(key) != config[key]]
    if differing:
        details = "; ".join(f"{key}: {known.get(key)} then, {config[key]} now" for key in differing)
        raise StudyError(
            f"study {study.study_name!r} was made with another configuration ({details}); "
            "use another study name or storage"
        )


def _with_reason(
    objective: HardwareObjective,
) -> Callable[[optuna.Trial], tuple[float, ...]]:
    def run(trial: optuna.Trial) -> tuple[float, ...]:
        try:
            return objective(trial)
        except optuna.TrialPruned:
            raise
        except HwnasError as error:
            trial.set_user_attr("hwnas_error", f"{type(error).__name__}: {error}")
            raise

    return run
