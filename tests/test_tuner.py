"""KerasTuner with hardware: real searches on real data, reloaded, resumed and distributed."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from hwnas.budget import Budget
from hwnas.datasets import load_fashion_mnist
from hwnas.errors import StudyError
from hwnas.evaluator import Evaluator
from hwnas.keras_io import from_keras
from hwnas.objective import HardwareObjective
from hwnas.spaces import load_space
from hwnas.tuner import (
    OverBudgetError,
    Term,
    WeightedObjective,
    hardware_aware,
    hypermodel_space,
    space_hypermodel,
)
from hwnas.tuner._import import keras, keras_tuner

BOARD = "nucleo_l496zg"
SIDE = 14
TUNERS = {
    "RandomSearch": {"max_trials": 4},
    "GridSearch": {"max_trials": 4},
    "BayesianOptimization": {"max_trials": 5, "num_initial_points": 2},
    "Hyperband": {"max_epochs": 2, "factor": 2},
}
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def build(hp: Any) -> Any:
    """A network of one convolution; with 128 filters it takes about 30 ms, with 4 about 4."""
    filters = hp.Choice("filters", [4, 8, 128])
    model = keras.Sequential([keras.Input((SIDE, SIDE, 1))])
    model.add(keras.layers.Conv2D(filters, 3, activation="relu"))
    model.add(keras.layers.MaxPooling2D(hp.Int("pool", 2, 4)))
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dense(10, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def data() -> dict[str, Any]:
    """What ``search`` gets, from Fashion-MNIST."""
    found = load_fashion_mnist(limit=300)
    x = found.x_train.reshape(-1, SIDE, 2, SIDE, 2, 1).mean(axis=(2, 4))
    y = found.y_train
    return {
        "x": x[:200], "y": y[:200], "validation_data": (x[200:], y[200:]),
        "epochs": 1, "verbose": 0,
    }  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("table") / "table.db")


def evaluator(table: str, **limits: float) -> Evaluator:
    return Evaluator.for_board(BOARD, table=table, budget=Budget(**limits))


def tuner_for(kind: str, table: str, folder: Path, latency_ms: float = 15, **options: Any) -> Any:
    made = hardware_aware(getattr(keras_tuner, kind))
    given = {"objective": "val_accuracy", "seed": 1, **TUNERS[kind], **options}
    judge = evaluator(table, latency_ms=latency_ms)
    return made(build, evaluator=judge, directory=str(folder), project_name="p", **given)


def trials(tuner: Any) -> list[Any]:
    return list(tuner.oracle.trials.values())


@pytest.mark.parametrize("kind", TUNERS)
def test_candidates_over_budget_are_not_trained(
    kind: str, table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "BayesianOptimization":
        pytest.importorskip("sklearn")
    tuner = tuner_for(kind, table, tmp_path)
    tuner.search(**data())
    statuses = {trial.status for trial in trials(tuner)}
    assert "COMPLETED" in statuses <= {"COMPLETED", "FAILED"}
    for trial in trials(tuner):
        refused = trial.hyperparameters.get("filters") == 128
        assert (trial.status == "FAILED") == refused
        latency = trial.metrics.get_best_value("latency_ms")
        assert (latency > 15) == refused and latency > 0
        assert trial.metrics.get_best_value("ram_bytes") > 1_000
        assert trial.metrics.exists("over_budget") == refused
        if refused:
            assert re.search(r"OverBudgetError: (table|board): latency_ms", trial.message)
        else:
            assert 0 < trial.score <= 1
    (best,) = tuner.get_best_models(1)
    assert best.layers[0].filters in (4, 8)
    capsys.readouterr()
    tuner.results_summary(2)
    shown = capsys.readouterr().out
    assert f"(simulated, {BOARD})" in shown and f"(estimated, {BOARD})" in shown
    assert "latency_ms: " in shown and "Score: " in shown


def test_a_search_is_reloaded_and_goes_on(table: str, tmp_path: Path) -> None:
    tuner = tuner_for("RandomSearch", table, tmp_path, max_trials=2)
    tuner.search(**data())
    again = tuner_for("RandomSearch", table, tmp_path, max_trials=4)
    assert len(trials(again)) == 2
    known = {trial.trial_id: trial.get_state() for trial in trials(again)}
    again.search(**data())
    assert len(trials(again)) == 4
    for trial in trials(again):
        if trial.trial_id in known:
            assert trial.get_state()["metrics"] == known[trial.trial_id]["metrics"]
    assert again.get_best_models(1)[0].predict(data()["x"][:1], verbose=0).shape == (1, 10)


def test_a_budget_that_nothing_keeps_ends_no_search(table: str, tmp_path: Path) -> None:
    tuner = tuner_for("RandomSearch", table, tmp_path, latency_ms=0.5, max_trials=6)
    tuner.search(**data())
    assert [trial.status for trial in trials(tuner)] == ["FAILED"] * 6
    again = tuner_for("RandomSearch", table, tmp_path, latency_ms=0.5, max_trials=8)
    again.search(**data())
    assert len(trials(again)) == 8


def test_a_training_that_always_fails_ends_the_search(table: str, tmp_path: Path) -> None:
    tuner = tuner_for("RandomSearch", table, tmp_path, latency_ms=100, max_trials=9)
    given = {**data(), "y": np.zeros((200, 7))}
    with pytest.raises(RuntimeError, match="3 trials in a row failed, none of them for the budget"):
        tuner.search(**given)


def test_a_layer_that_cannot_run_is_refused(table: str, tmp_path: Path) -> None:
    def recurrent(hp: Any) -> Any:
        model = keras.Sequential([keras.Input((SIDE, SIDE))])
        model.add(keras.layers.LSTM(hp.Choice("units", [4, 8])))
        model.compile("adam", "mse")
        return model

    made = hardware_aware(keras_tuner.RandomSearch)
    tuner = made(
        recurrent, evaluator=evaluator(table), objective="loss", max_trials=2,
        directory=str(tmp_path),
    )  # fmt: skip
    tuner.search(np.zeros((8, SIDE, SIDE)), np.zeros((8, 4)), epochs=1, verbose=0)
    assert all(t.status == "FAILED" and "LSTM" in t.message for t in trials(tuner))


def test_a_weighted_objective_weighs(table: str, tmp_path: Path) -> None:
    """So heavily that the quickest network is the best one, whatever it has learned."""
    objective = WeightedObjective({"val_accuracy": Term(0.001), "latency_ms": Term(-1, scale=10)})
    tuner = tuner_for(
        "GridSearch", table, tmp_path, latency_ms=100, max_trials=9, objective=objective
    )
    tuner.search(**data())
    by_latency = sorted(trials(tuner), key=lambda t: t.metrics.get_best_value("latency_ms"))
    best = tuner.oracle.get_best_trials(9)
    assert [t.trial_id for t in best] == [t.trial_id for t in by_latency]
    for trial in best:
        told = {name: trial.metrics.get_best_value(name) for name in objective.terms}
        assert trial.score == pytest.approx(objective.get_value(told))
    assert tuner.get_best_models(1)[0].layers[0].filters == 4


def test_hardware_figures_may_be_the_objective(table: str, tmp_path: Path) -> None:
    latency = keras_tuner.Objective("latency_ms", "min")
    tuner = tuner_for(
        "GridSearch", table, tmp_path, latency_ms=100, max_trials=9, objective=latency
    )
    tuner.search(**data())
    scores = [trial.score for trial in tuner.oracle.get_best_trials(9)]
    assert scores == sorted(scores)


@pytest.mark.parametrize("returned", ["float", "dict"])
def test_trainings_of_ones_own(returned: str, table: str, tmp_path: Path) -> None:
    class Own(keras_tuner.HyperModel):
        def build(self, hp: Any) -> Any:
            return build(hp)

        def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
            score = float(model.count_params())
            return score if returned == "float" else {"val_accuracy": score, "other": 1.0}

    made = hardware_aware(keras_tuner.RandomSearch)
    tuner = made(
        Own(), evaluator=evaluator(table, latency_ms=15), objective="val_accuracy", max_trials=4,
        directory=str(tmp_path), seed=1,
    )  # fmt: skip
    tuner.search()
    completed = [trial for trial in trials(tuner) if trial.status == "COMPLETED"]
    assert completed
    for trial in completed:
        assert trial.score > 100 and trial.metrics.get_best_value("latency_ms") < 15


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({}, "needs a term"),
        ({"loss": Term(0)}, "weight 0 "),
        ({"loss": Term(float("nan"))}, "weight nan"),
        ({"loss": Term(1, scale=0)}, "scale 0 "),
    ],
)
def test_wrong_weights_are_told(terms: dict[str, Term], words: str) -> None:
    with pytest.raises(StudyError, match=words):
        WeightedObjective(terms)


def test_a_board_that_fails_ends_the_search(table: str, tmp_path: Path) -> None:
    """Else every candidate would count as a bad one."""
    tuner = tuner_for("RandomSearch", table, tmp_path, max_trials=2)
    (judge,) = tuner.panel.by_board.values()
    judge.table.close()
    with pytest.raises(keras_tuner.errors.FatalError, match="TableError"):
        tuner.search(**data())


# Spaces both ways


def test_a_declared_space_is_a_hypermodel(table: str, tmp_path: Path) -> None:
    def compiled(model: Any) -> None:
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

    hypermodel = space_hypermodel("lenet", compiled)
    made = hardware_aware(keras_tuner.RandomSearch)
    tuner = made(
        hypermodel, evaluator=evaluator(table, latency_ms=60), objective="val_accuracy",
        max_trials=3, directory=str(tmp_path), seed=2,
    )  # fmt: skip
    found = load_fashion_mnist(limit=200)
    x = np.pad(found.x_train.reshape(-1, 28, 28, 1), ((0, 0), (2, 2), (2, 2), (0, 0)))
    y = found.y_train
    tuner.search(x, y, validation_data=(x, y), epochs=1, verbose=0)
    names = {parameter.name for parameter in tuner.oracle.get_space().space}
    assert names >= set(load_space("lenet").parameters) - {"none"}
    for trial in trials(tuner):
        network = from_keras(hypermodel.build(trial.hyperparameters))
        assert network.input_shape == (32, 32, 1)


def test_a_hypermodel_is_a_space_of_a_study(table: str) -> None:
    space = hypermodel_space(build)
    objective = HardwareObjective(
        space, evaluator(table, latency_ms=15), lambda model, trial: 1 / model.count_params()
    )
    study = optuna.create_study(
        directions=objective.directions, sampler=optuna.samplers.RandomSampler(seed=1)
    )
    study.optimize(objective, n_trials=6)
    assert {name for trial in study.trials for name in trial.params} == {"filters", "pool"}
    assert any(trial.values and trial.values[1] < 15 for trial in study.trials)


def every_kind(hp: Any) -> Any:
    values = [
        hp.Choice("choice", ["a", "b"]),
        hp.Boolean("flag"),
        hp.Fixed("fixed", 7),
        hp.Int("whole", 3, 9, step=3),
        hp.Int("doubled", 4, 64, step=2, sampling="log"),
        hp.Int("log", 1, 1000, sampling="log"),
        hp.Float("real", 0.0, 1.0, step=0.25),
        hp.Float("rate", 1e-4, 1e-1, sampling="log"),
        hp.Float("reverse", 1.0, 10.0, sampling="reverse_log"),
    ]
    with hp.conditional_scope("choice", ["a"]), hp.name_scope("inner"):
        values.append(hp.Int("only_a", 1, 2))
    return [*values, hp.Int("whole", 3, 9, step=3)]


def test_parameters_of_every_kind_are_asked_of_optuna() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3))
    seen: dict[str, set[Any]] = {}
    for _ in range(40):
        trial = study.ask()
        values = hypermodel_space(every_kind)(trial)
        choice, _, fixed, whole, doubled, log, real, rate, reverse, only_a, again = values
        assert fixed == 7 and again == whole in (3, 6, 9) and doubled in (4, 8, 16, 32, 64)
        assert 1 <= log <= 1000 and real in (0, 0.25, 0.5, 0.75, 1) and 1e-4 <= rate <= 1e-1
        assert 1 <= reverse <= 10
        assert (only_a is None) == (choice == "b")
        assert ("inner/only_a" in trial.params) == (choice == "a")
        for name, value in zip(
            ("choice", "doubled", "whole"), (choice, doubled, whole), strict=True
        ):
            seen.setdefault(name, set()).add(value)
        study.tell(trial, 0.0)
    assert seen == {"choice": {"a", "b"}, "doubled": {4, 8, 16, 32, 64}, "whole": {3, 6, 9}}


def test_the_error_is_one_of_kerastuners() -> None:
    assert issubclass(OverBudgetError, keras_tuner.errors.FailedTrialError)


# Several processes

WORKER = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_tuner import data, tuner_for
tuner = tuner_for("RandomSearch", {table!r}, Path({folder!r}), max_trials=6)
tuner.search(**data())
"""


def test_a_chief_and_two_workers(table: str, tmp_path: Path) -> None:
    """KerasTuner's distributed mode: the chief hands out trials, the workers judge and train."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = WORKER.format(tests=str(Path(__file__).parent), table=table, folder=str(tmp_path))
    running = {}
    for name in ("chief", "tuner0", "tuner1"):
        given = {
            **os.environ,
            "KERASTUNER_TUNER_ID": name,
            "KERASTUNER_ORACLE_IP": "127.0.0.1",
            "KERASTUNER_ORACLE_PORT": str(port),
        }
        running[name] = subprocess.Popen(
            [sys.executable, "-c", code], env=given, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    said = {name: process.communicate(timeout=300)[0] for name, process in running.items()}
    for name, process in running.items():
        assert process.returncode == 0, f"{name}: {said[name][-2_000:]}"
    tuner = tuner_for("RandomSearch", table, tmp_path, max_trials=6)
    assert len(trials(tuner)) == 6
    for trial in trials(tuner):
        refused = trial.hyperparameters.get("filters") == 128
        assert (trial.status == "FAILED") == refused == trial.metrics.exists("over_budget")
        assert trial.metrics.get_best_value("latency_ms") > 0
    assert {trial.status for trial in trials(tuner)} == {"COMPLETED", "FAILED"}
