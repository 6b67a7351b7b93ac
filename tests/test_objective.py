"""Real Optuna studies on the virtual board; training is the user's function, here a cheap one."""

from __future__ import annotations

import math
import sqlite3
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from small_search import count_parameters, small_space

from hwnas.backend import BoardBackend
from hwnas.budget import Budget
from hwnas.errors import SpaceError, StudyError
from hwnas.evaluator import Evaluator
from hwnas.network import Network, NetworkBuilder
from hwnas.objective import HardwareObjective
from hwnas.opening import open_backend
from hwnas.report import plot_front
from hwnas.search import finished_trials, ledger, open_study, pareto_front, run_search
from hwnas.table import LookupTable
from hwnas.train_step import TrainingError
from hwnas.trial_record import Gate, finished_records, read_record


def objective_for(
    backend: BoardBackend, *, space: Any = small_space, train: Any = count_parameters, **limits: Any
) -> HardwareObjective:
    table = LookupTable.open("sqlite://")
    return HardwareObjective(space, Evaluator(backend, table, Budget(**limits)), train)


@pytest.fixture
def searched(backend: BoardBackend) -> tuple[optuna.Study, HardwareObjective]:
    objective = objective_for(backend, latency_ms=4.0)
    study = open_study(objective, seed=1)
    run_search(study, objective, trials=30)
    return study, objective


def test_only_feasible_candidates_are_trained(searched: tuple[optuna.Study, Any]) -> None:
    study, _ = searched
    records = finished_records(study.get_trials()).values()
    assert {record.trained for record in records} == {True, False}
    for record in records:
        assert record.trained == record.feasible
        if not record.trained:
            assert record.metric == 0.25
            assert record.cost["latency_ms"] > 4.0


def test_all_values_are_finite_and_constraints_are_optunas_own(
    searched: tuple[optuna.Study, Any],
) -> None:
    study, _ = searched
    for trial in study.trials:
        assert all(map(math.isfinite, trial.values))
        record = read_record(trial)
        assert record is not None
        assert trial.constraints == pytest.approx(dict(record.violations))


def test_duplicates_after_snapping_reuse_results(searched: tuple[optuna.Study, Any]) -> None:
    study, _ = searched
    records = finished_records(study.get_trials())
    repeats = {n: r for n, r in records.items() if r.gate is Gate.DUPLICATE}
    assert repeats
    parameters = {t.number: t.params for t in study.trials}
    assert any(parameters[n] != parameters[r.duplicate_of] for n, r in repeats.items())
    for number, record in repeats.items():
        assert record.duplicate_of is not None
        first = records[record.duplicate_of]
        assert record.digest == first.digest and record.duplicate_of < number
        assert study.trials[number].values == study.trials[record.duplicate_of].values
    originals = [r.digest for r in records.values() if r.duplicate_of is None]
    assert len(originals) == len(set(originals))


def test_the_front_and_the_ledger_account_for_every_trial(
    searched: tuple[optuna.Study, Any], tmp_path: Path
) -> None:
    study, _ = searched
    counts = ledger(study)
    assert sum(counts.stopped.values()) == 30 and counts.failed == 0
    assert counts.training_seconds_saved is not None and counts.training_seconds_saved > 0
    front = pareto_front(study)
    assert front
    for better, worse in pairwise(front):
        assert better.record.cost["latency_ms"] < worse.record.cost["latency_ms"]
        assert better.record.metric < worse.record.metric
    assert all(entry.record.feasible for entry in front)
    picture = plot_front(study, tmp_path / "plots" / "front.png", limit=4.0)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_record_rebuilds_the_network(searched: tuple[optuna.Study, Any]) -> None:
    study, _ = searched
    for record in finished_records(study.get_trials()).values():
        network = record.rebuild_network()
        assert network.digest == record.digest
        assert network.nodes[0].layer.output_shape[-1] % 4 == 0


def test_samplers_learn_from_constraints(backend: BoardBackend) -> None:
    objective = objective_for(backend, latency_ms=4.0)
    for sampler in (optuna.samplers.TPESampler(seed=0), optuna.samplers.NSGAIISampler(seed=0)):
        study = open_study(objective, sampler=sampler)
        run_search(study, objective, trials=12)
        assert len(study.get_trials(states=(TrialState.COMPLETE,))) == 12


def test_a_study_resumes_and_refuses_another_configuration(
    backend: BoardBackend, tmp_path: Path
) -> None:
    storage = f"sqlite:///{tmp_path}/deep/study.db"
    first = objective_for(backend, latency_ms=4.0)
    run_search(open_study(first, storage=storage, seed=0), first, trials=4)
    trained_again: list[str] = []

    def train(model: Any, trial: optuna.Trial) -> float:
        trained_again.append(str(trial.params))
        return count_parameters(model, trial)

    second = objective_for(backend, train=train, latency_ms=4.0)
    study = open_study(second, storage=storage, seed=0)
    known = {record.digest for record in finished_records(study.get_trials()).values()}
    run_search(study, second, trials=10)
    assert len(study.trials) == 10
    fresh = [r for r in finished_records(study.get_trials()[4:]).values() if r.gate is Gate.TRAINED]
    assert len(fresh) == len(trained_again)
    assert not known & {record.digest for record in fresh}
    run_search(study, second, trials=10)
    assert len(study.trials) == 10
    with pytest.raises(StudyError, match="budget"):
        open_study(objective_for(backend, latency_ms=3.0), storage=storage)


def test_an_interrupted_search_loses_only_the_trial_in_flight(
    backend: BoardBackend, tmp_path: Path
) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"

    def interrupt(model: Any, trial: optuna.Trial) -> float:
        if trial.number >= 5:
            raise KeyboardInterrupt
        return count_parameters(model, trial)

    objective = objective_for(backend, train=interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_search(open_study(objective, storage=storage, seed=3), objective, trials=40)
    resumed = objective_for(backend)
    study = open_study(resumed, storage=storage, seed=3)
    finished = len(study.get_trials(states=(TrialState.COMPLETE,)))
    assert finished == len(study.trials) - 1
    assert len(finished_trials(study)) == finished
    run_search(study, resumed, trials=finished + 3)
    assert len(study.get_trials(states=(TrialState.COMPLETE,))) == finished + 3
    counts = ledger(study)
    assert (sum(counts.stopped.values()), counts.failed, counts.cut_off) == (finished + 3, 0, 1)


def test_trials_that_training_prunes_are_counted(backend: BoardBackend) -> None:
    trained: list[str] = []

    def prune_wide(model: Any, trial: optuna.Trial) -> float:
        trained.append(model.to_json())
        if trial.params["filters"] > 8:
            raise optuna.TrialPruned("too slow to learn")
        return count_parameters(model, trial)

    objective = objective_for(backend, train=prune_wide)
    study = open_study(objective, seed=0)
    run_search(study, objective, trials=24)
    records = finished_records(study.get_trials())
    pruned = {n: record for n, record in records.items() if record.gate is Gate.PRUNED}
    counts = ledger(study)
    assert pruned and counts.stopped[Gate.PRUNED] == len(pruned)
    assert sum(counts.stopped.values()) == 24 and counts.failed == 0
    for number, record in pruned.items():
        assert study.trials[number].state is TrialState.PRUNED
        assert not record.trained and record.feasible and record.cost["basis"] == "network"
        assert record.seconds["train"] > 0
    repeats = [n for n, record in records.items() if record.duplicate_of in pruned]
    assert repeats and all(study.trials[n].state is TrialState.PRUNED for n in repeats)
    assert len(trained) == len(pruned) + counts.stopped[Gate.TRAINED]
    assert not any(entry.number in pruned for entry in pareto_front(study))


def test_what_pruned_trials_cost_is_not_saved(backend: BoardBackend) -> None:
    def slowly(model: Any, trial: optuna.Trial) -> float:
        if trial.number:
            raise optuna.TrialPruned
        return 0.5

    study = open_study(objective_for(backend, train=slowly))
    for filters in (4, 8, 12):
        study.enqueue_trial({"filters": filters, "pool": 2})
    run_search(study, objective_for(backend, train=slowly), trials=3)
    counts = ledger(study)
    assert counts.stopped[Gate.PRUNED] == 2 and counts.stopped[Gate.TRAINED] == 1
    assert counts.training_seconds_saved == 0
    spent = [record.seconds["train"] for record in finished_records(study.trials).values()]
    assert counts.seconds["train"] == pytest.approx(sum(spent)) and len(spent) == 3


def test_a_space_that_prunes_stops_the_trial(backend: BoardBackend) -> None:
    def space(trial: optuna.Trial) -> Network:
        raise optuna.TrialPruned("not today")

    objective = objective_for(backend, space=space)
    study = open_study(objective)
    run_search(study, objective, trials=2)
    assert ledger(study).stopped[Gate.SPACE] == 2
    assert study.trials[0].user_attrs["hwnas_invalid"] == "not today"


def test_a_study_in_memory_of_sqlite_runs(backend: BoardBackend) -> None:
    objective = objective_for(backend)
    study = open_study(objective, storage="sqlite://", seed=1 << 31)
    run_search(study, objective, trials=2)
    assert len(finished_trials(study)) == 2


@pytest.mark.parametrize(
    ("storage", "words"),
    [
        ("journal.log", "malformed"),
        ("postgresql://me:secret@host:port/db", "malformed"),
        ("postgresql://me:sec@ret@host/db", "%40"),
        ("mysql+nothing://me:secret@host/db", "nothing://me:\\*\\*\\*@host/db"),
        ("postgresql+psycopg://me:secret@127.0.0.1:1/db?sslpassword=secret", "\\*\\*\\*"),
        ("sqlite:////dev/null/study.db", "/dev/null/study.db: cannot be opened"),
        ("sqlite:///notes.txt", "notes.txt: .* it is no SQLite database"),
        ("sqlite:///folder", "folder: .* cannot be opened"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_told_without_its_password(
    backend: BoardBackend, tmp_path: Path, storage: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").write_text("no database " * 100)
    with pytest.raises(StudyError, match=words) as raised:
        open_study(objective_for(backend), storage=storage)
    text = str(raised.value)
    assert "secret" not in text and "sec@ret" not in text and "\n" not in text


def test_a_storage_that_goes_away_is_told(backend: BoardBackend, tmp_path: Path) -> None:
    path = tmp_path / "study.db"

    def spoil(model: Any, trial: optuna.Trial) -> float:
        with sqlite3.connect(path) as connection:
            connection.execute("drop table trial_user_attributes")
        return 0.5

    objective = objective_for(backend, train=spoil)
    study = open_study(objective, storage=f"sqlite:///{path}")
    with pytest.raises(StudyError, match="the study's storage failed: no such table"):
        run_search(study, objective, trials=2)


@pytest.mark.parametrize("seed", [-1, 1 << 32])
def test_a_seed_out_of_range_is_refused(backend: BoardBackend, seed: int) -> None:
    with pytest.raises(StudyError, match="4294967295"):
        open_study(objective_for(backend), seed=seed)


def test_a_floor_must_be_a_number(backend: BoardBackend) -> None:
    judge = Evaluator(backend, LookupTable.open("sqlite://"))
    with pytest.raises(StudyError, match="floor nan"):
        HardwareObjective(small_space, judge, count_parameters, floor=math.nan)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_training_without_a_result_fails_its_trial_only(
    backend: BoardBackend, bad: float
) -> None:
    objective = objective_for(backend, train=lambda model, trial: bad)
    study = open_study(objective, seed=0)
    run_search(study, objective, trials=3)
    assert [t.state for t in study.trials] == [TrialState.FAIL] * 3
    assert "TrainingError" in study.trials[0].user_attrs["hwnas_error"]
    assert ledger(study).failed == 3


def test_a_training_that_raises_names_trial_and_cause(backend: BoardBackend) -> None:
    def explode(model: Any, trial: optuna.Trial) -> float:
        raise RuntimeError("out of paint")

    study = open_study(objective_for(backend), seed=0)
    with pytest.raises(TrainingError, match="trial 0: train raised RuntimeError: out of paint"):
        study.optimize(objective_for(backend, train=explode), n_trials=1)


def test_a_training_that_exits_fails_its_trial_only(backend: BoardBackend) -> None:
    def leave(model: Any, trial: optuna.Trial) -> float:
        sys.exit(3)

    objective = objective_for(backend, train=leave)
    study = open_study(objective)
    run_search(study, objective, trials=1)
    assert "train raised SystemExit: 3" in study.trials[0].user_attrs["hwnas_error"]
    assert ledger(study).failed == 1


def test_a_sample_that_makes_no_network_is_pruned_and_counted(backend: BoardBackend) -> None:
    def space(trial: optuna.Trial) -> Network:
        if trial.suggest_int("filters", 1, 24) > 12:
            raise SpaceError("too wide for this test")
        return small_space(trial)

    objective = objective_for(backend, space=space)
    study = open_study(objective, seed=0)
    run_search(study, objective, trials=10)
    pruned = study.get_trials(states=(TrialState.PRUNED,))
    assert pruned and ledger(study).stopped[Gate.SPACE] == len(pruned)
    assert all("too wide" in trial.user_attrs["hwnas_invalid"] for trial in pruned)


@pytest.mark.parametrize("names", [(), ("speed",), ("accuracy", "accuracy")])
def test_objectives_must_be_known(backend: BoardBackend, names: tuple[str, ...]) -> None:
    judge = Evaluator(backend, LookupTable.open("sqlite://"))
    with pytest.raises(StudyError, match="objectives"):
        HardwareObjective(small_space, judge, count_parameters, objectives=names)


def test_a_users_keras_model_is_trained_as_it_is_when_snapping_leaves_it_alone(
    backend: BoardBackend,
) -> None:
    import keras

    built: list[Any] = []

    def space(trial: optuna.Trial) -> Any:
        filters = trial.suggest_categorical("filters", [8, 9])
        model = keras.Sequential(
            [
                keras.Input((12, 12, 1)),
                keras.layers.Conv2D(filters, 3, activation="relu"),
                keras.layers.Flatten(),
                keras.layers.Dense(4, activation="softmax"),
            ]
        )
        built.append(model)
        return model

    seen: list[Any] = []

    def train(model: Any, trial: optuna.Trial) -> float:
        seen.append(model)
        return 0.5

    study = open_study(objective_for(backend, space=space, train=train))
    for filters in (8, 9):
        study.enqueue_trial({"filters": filters})
    study.optimize(objective_for(backend, space=space, train=train), n_trials=1)
    assert seen == [built[0]]
    study.optimize(objective_for(backend, space=space, train=train), n_trials=1)
    record = read_record(study.trials[1])
    assert record is not None and record.gate is Gate.DUPLICATE and len(seen) == 1


def test_what_the_kernels_cannot_run_is_a_constraint(backend: BoardBackend) -> None:
    def tall(trial: optuna.Trial) -> Network:
        b = NetworkBuilder((trial.suggest_int("height", 40_000, 40_001), 1, 1))
        b.max_pool2d(b.input, (2, 1))
        return b.build()

    objective = objective_for(backend, space=tall)
    study = optuna.create_study(directions=objective.directions)
    study.optimize(objective, n_trials=2)
    for trial in study.trials:
        record = read_record(trial)
        assert record is not None and "32,767" in record.refusal.replace("32767", "32,767")
        assert trial.constraints["kernels"] > 0
        assert not record.feasible and not record.trained


def test_a_study_in_two_threads_shares_the_board(backend: BoardBackend) -> None:
    objective = objective_for(backend, latency_ms=4.0)
    study = optuna.create_study(directions=objective.directions)
    study.optimize(objective, n_trials=30, n_jobs=2)
    assert [t.state for t in study.trials] == [TrialState.COMPLETE] * 30
    with open_backend("nucleo_l496zg") as fresh:
        for trial in study.trials:
            record = read_record(trial)
            assert record is not None
            if record.cost["basis"] == "network":
                again = fresh.measure_network(record.rebuild_network())
                assert again is not None and again.cycles_median == record.cost["cycles"]
