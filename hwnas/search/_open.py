"""Opens studies, and refuses those that were made for something else."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import optuna
from optuna.exceptions import ExperimentalWarning, OptunaError
from optuna.storages import BaseStorage
from sqlalchemy.exc import SQLAlchemyError

from hwnas._databases import explain
from hwnas.errors import StudyError
from hwnas.objective import HardwareObjective
from hwnas.panel import label
from hwnas.search._storage import label_of_storage, open_storage, reached

CONFIG_ATTRIBUTE: Final = "hwnas_config"
MAX_SEED: Final = (1 << 32) - 1

_MEANINGS: Final = {
    "target": "target (board, firmware, compiler, timing model, or real in place of virtual)"
}


def open_study(
    objective: HardwareObjective,
    *,
    storage: str | BaseStorage | None = None,
    name: str = "hwnas",
    sampler: optuna.samplers.BaseSampler | None = None,
    seed: int | None = None,
) -> optuna.Study:
    """Create a study for an objective, or resume the one of that name.

    Args:
        objective: Gives directions and metric names.
        storage: Optuna storage URL, ``journal:///FILE`` for Optuna's journal, or a storage; in
            memory by default. Several processes may share one. A database server that goes away is
            waited for, ten minutes at most.
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
    with _opening(name, storage) as opened:
        study = optuna.create_study(
            storage=opened(),
            study_name=name,
            directions=objective.directions,
            sampler=sampler,
            load_if_exists=True,
        )
    with reached():
        _claim(study, objective)
        if sampler is None:
            study.sampler = _sampler(seed, len(study.get_trials(deepcopy=False)))
    return study


def stored_study(storage: str | BaseStorage, name: str | None = None) -> optuna.Study:
    """A study that is there, to be looked at.

    Args:
        storage: As :func:`open_study` takes it.
        name: Of the study; may be left out where the storage holds one only.

    Raises:
        StudyError: There is no such study, or the storage cannot be opened.
    """
    with _opening(name or "any", storage, create=False) as opened:
        made = opened()
        names = [study.study_name for study in optuna.get_all_study_summaries(made)]
        chosen = names[0] if name is None and len(names) == 1 else name
        if chosen not in names:
            held = ", ".join(map(repr, names)) or "none"
            wanted = "name one of its studies" if name is None else f"there is no study {name!r}"
            raise StudyError(f"{wanted}; the storage holds {held}")
        return optuna.load_study(storage=made, study_name=chosen)


@contextmanager
def _opening(
    name: str, storage: str | BaseStorage | None, *, create: bool = True
) -> Iterator[Callable[[], Any]]:
    """Gives a function that opens the storage, whose errors become :class:`StudyError`."""
    if isinstance(storage, BaseStorage):
        place = type(storage).__name__
    else:
        place = label_of_storage(storage, name)
    try:
        with _unwarned():
            if isinstance(storage, str):
                yield lambda: open_storage(storage, name, create=create)
            else:
                yield lambda: storage
    except ImportError as error:
        raise StudyError(
            f"study {name!r} in {place}: the database's driver is missing; for PostgreSQL: "
            "pip install 'hwnas[postgres]'"
        ) from error
    except (SQLAlchemyError, OptunaError, ValueError, OSError, RuntimeError) as error:
        raise StudyError(
            f"study {name!r} in {place}: cannot be opened: {explain(error)}"
        ) from error


def _sampler(seed: int | None, trials: int) -> optuna.samplers.BaseSampler:
    """The default sampler of a study that holds some trials already."""
    # Small populations suit searches of tens of trials: the default of 50 would spend them
    # all on the random first generation.
    return optuna.samplers.NSGAIISampler(
        population_size=16, seed=None if seed is None else (seed + trials) % (MAX_SEED + 1)
    )


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
            study.set_metric_names([label(name) for name in objective.objectives])
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
