"""Runs a search: opens or resumes its study, and tells what came out."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.exceptions import ExperimentalWarning, OptunaError, StorageInternalError
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from hwnas._databases import explain, label_of, read_url
from hwnas.errors import HwnasError, StudyError
from hwnas.evaluator import Rung
from hwnas.objective import HardwareObjective
from hwnas.trial_record import (
    FAILURE,
    INVALID,
    JUDGED,
    Gate,
    TrialRecord,
    finished_records,
    read_record,
)

CONFIG_ATTRIBUTE: Final = "hwnas_config"
HEARTBEAT_SECONDS: Final = 30
MAX_SEED: Final = (1 << 32) - 1

_MEANINGS: Final = {
    "target": "target (board, firmware, compiler, timing model, or real in place of virtual)"
}


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
        stopped: Candidates by what ended their way; ``trained`` ones passed every gate, ``pruned``
            ones did and were given up by the training function.
        failed: Trials that ended in an error.
        cut_off: Trials that an interrupt or a crash cut off. They do not count as finished:
            :func:`run_search` makes up for them.
        seconds: Host time by rung, over all candidates.
        training_seconds_saved: Candidates that no training was begun for, each at the mean
            training time of those that were trained to the end: an estimate, ``None`` while
            there are none.
    """

    stopped: dict[Gate, int]
    failed: int
    cut_off: int
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
        seed: For the default sampler, 0 to 2^32 - 1; a resumed study draws other numbers than a
            fresh one.

    Raises:
        StudyError: The storage cannot be opened, the seed is out of range, or the study was made
            with another space, budget, target or other objectives.
    """
    if seed is not None and not 0 <= seed <= MAX_SEED:
        raise StudyError(f"study {name!r}: the seed {seed} is not 0 to {MAX_SEED}")
    url = None if storage is None else _parse(storage, name)
    place = "memory" if url is None else label_of(url)
    try:
        with _unwarned():
            study = optuna.create_study(
                storage=None if url is None else _storage(url),
                study_name=name,
                directions=objective.directions,
                sampler=sampler,
                load_if_exists=True,
            )
    except ImportError as error:
        raise StudyError(
            f"study {name!r} in {place}: the database's driver is missing; for PostgreSQL: "
            "pip install 'hwnas[postgres]'"
        ) from error
    except (SQLAlchemyError, OptunaError, ValueError, OSError, RuntimeError) as error:
        raise StudyError(
            f"study {name!r} in {place}: cannot be opened: {explain(error)}"
        ) from error
    with _reached():
        _claim(study, objective)
        if sampler is None:
            study.sampler = _sampler(seed, len(study.get_trials(deepcopy=False)))
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
    call again to resume: at most the trial in flight is lost, and another one takes its place.

    Raises:
        StudyError: The storage failed; finished trials are in it.
    """
    with _reached():
        remaining = trials - len(finished_trials(study))
        if remaining <= 0:
            return
        callbacks = [] if on_trial is None else [lambda _study, trial: on_trial(trial)]
        study.optimize(objective, n_trials=remaining, catch=(HwnasError,), callbacks=callbacks)


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that came to their own end, were it an error; not those that were cut off.

    Raises:
        StudyError: The storage failed.
    """
    with _reached():
        return [trial for trial in study.get_trials(deepcopy=False) if _is_finished(trial)]


def pareto_front(study: optuna.Study) -> list[FrontEntry]:
    """Trained networks that no other trained, feasible network beats in every objective.

    Ordered by the first objective that is minimized; a network that was sampled twice stands once.

    Raises:
        StudyError: The storage failed.
    """
    with _reached():
        best, directions = study.best_trials, study.directions
    entries: dict[str, FrontEntry] = {}
    for trial in best:
        record = read_record(trial)
        if record is not None and record.trained and record.feasible:
            entry = FrontEntry(trial.number, tuple(trial.values), record)
            entries.setdefault(record.digest, entry)
    first = next((i for i, way in enumerate(directions) if way is StudyDirection.MINIMIZE), 0)
    return sorted(entries.values(), key=lambda entry: entry.values[first])


def ledger(study: optuna.Study) -> Ledger:
    """Counts and times over all trials of a study that came to an end.

    Raises:
        StudyError: The storage failed.
    """
    with _reached():
        trials = study.get_trials(deepcopy=False)
    finished = [trial for trial in trials if _is_finished(trial)]
    failed = sum(trial.state is TrialState.FAIL for trial in finished)
    stopped = Counter({gate: 0 for gate in Gate})
    stopped[Gate.SPACE] = sum(INVALID in trial.user_attrs for trial in finished)
    seconds: Counter[str] = Counter()
    to_the_end = 0.0
    for record in finished_records(finished).values():
        stopped[record.gate] += 1
        seconds.update(record.seconds)
        if record.gate is Gate.TRAINED:
            to_the_end += record.seconds[Rung.TRAIN]
    trained = stopped[Gate.TRAINED]
    spared = sum(stopped.values()) - trained - stopped[Gate.PRUNED]
    return Ledger(
        stopped=dict(stopped),
        failed=failed,
        cut_off=sum(t.state is TrialState.FAIL for t in trials) - failed,
        seconds=dict(seconds),
        training_seconds_saved=to_the_end / trained * spared if trained else None,
    )


def _parse(storage: str, name: str) -> URL:
    try:
        return read_url(storage)
    except ValueError as error:
        raise StudyError(f"study {name!r}: its storage: {error}") from error


def _storage(url: URL) -> RDBStorage:
    engine_kwargs: dict[str, Any] = {}
    # Tells other processes of a trial whose process died.
    heartbeat: int | None = HEARTBEAT_SECONDS
    if url.get_backend_name() == "sqlite":
        engine_kwargs["connect_args"] = {"timeout": 30}
        if label_of(url) == ":memory:":
            # There are no others, and its own thread would find another, empty database.
            heartbeat = None
        else:
            Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    text = url.render_as_string(hide_password=False)
    return RDBStorage(text, engine_kwargs=engine_kwargs, heartbeat_interval=heartbeat)


def _sampler(seed: int | None, trials: int) -> optuna.samplers.BaseSampler:
    """The default sampler of a study that holds some trials already."""
    # Small populations suit searches of tens of trials: the default of 50 would spend them
    # all on the random first generation.
    return optuna.samplers.NSGAIISampler(
        population_size=16, seed=None if seed is None else (seed + trials) % (MAX_SEED + 1)
    )


def _is_finished(trial: FrozenTrial) -> bool:
    """Optuna calls a trial failed that an interrupt ended; only :data:`FAILURE` tells a reason."""
    return trial.state in JUDGED or (trial.state is TrialState.FAIL and FAILURE in trial.user_attrs)


@contextmanager
def _reached() -> Iterator[None]:
    """Turn a storage's errors into :class:`StudyError`."""
    try:
        yield
    # Optuna 5.0 stumbles where it cannot reach the storage to note that it could not reach it.
    except (SQLAlchemyError, StorageInternalError, UnboundLocalError) as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, SQLAlchemyError):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        raise StudyError(
            f"the study's storage failed: {explain(cause)}; trials that had finished are in it"
        ) from error


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
            study.set_metric_names([name.replace("_", " ") for name in objective.objectives])
        study.set_user_attr(CONFIG_ATTRIBUTE, config)
        return
    differing = [key for key in config if known.get(key) != config[key]]
    if differing:
        details = "; ".join(
            f"{_MEANINGS.get(key, key)}: {known.get(key)} then, {config[key]} now"
            for key in differing
        )
        raise StudyError(
            f"study {study.study_name!r} was made with another configuration ({details}); "
            "use another study name or storage"
        )
