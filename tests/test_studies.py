"""What a study may ask for beyond one board and two objectives."""

from __future__ import annotations

import contextlib
import itertools
import math
import re
import time
import warnings
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from small_search import count_parameters, small_space

from hwnas.backend import BoardBackend
from hwnas.budget import Budget
from hwnas.errors import DatasetError, StudyError
from hwnas.evaluator import Evaluator, Trust
from hwnas.hardware_cost import HardwareCost
from hwnas.int8_metric import Int8Validation, classification_accuracy
from hwnas.network import Network, NetworkBuilder
from hwnas.objective import HOPELESS_AFTER, HardwareObjective, HopelessBudgetWarning
from hwnas.opening import open_backend
from hwnas.search import (
    LEDGER_ATTRIBUTE,
    enqueue_anchor,
    finished_trials,
    ledger,
    load_trial,
    open_study,
    pareto_front,
    run_search,
    stored_study,
    warm_start,
)
from hwnas.table import Accuracy, LookupTable
from hwnas.trial_record import Gate, TrialRecord, finished_records

SECOND = "nucleo_f767zi"


@pytest.fixture(scope="module")
def second() -> Any:
    """Another virtual board, whose power is not known."""
    with open_backend(SECOND) as opened:
        yield opened


def judge(backend: BoardBackend, **limits: Any) -> Evaluator:
    return Evaluator(backend, LookupTable.open("sqlite://"), Budget(**limits))


def searched(
    evaluator: Evaluator | list[Evaluator], *, trials: int = 12, sampler: Any = None, **options: Any
) -> optuna.Study:
    train = options.pop("train", count_parameters)
    space = options.pop("space", small_space)
    objective = HardwareObjective(space, evaluator, train, **options)
    study = open_study(objective, seed=0, sampler=sampler)
    run_search(study, objective, trials=trials)
    return study


def records(study: optuna.Study) -> list[TrialRecord]:
    return list(finished_records(study.get_trials()).values())


# --- objectives ------------------------------------------------------------------------------

FIGURES = ("accuracy", "latency_ms", "energy_mj", "ram_bytes", "flash_bytes")
CHOSEN = [
    *((name,) for name in FIGURES),
    *itertools.permutations(("accuracy", "latency_ms", "ram_bytes")),
    ("flash_bytes", "energy_mj"),
    FIGURES,
]


@pytest.mark.parametrize("names", CHOSEN, ids="-".join)
def test_objectives_in_any_subset_and_order(backend: BoardBackend, names: tuple[str, ...]) -> None:
    study = searched(judge(backend, latency_ms=4.0), trials=6, objectives=names)
    ways = ["MAXIMIZE" if name == "accuracy" else "MINIMIZE" for name in names]
    assert [way.name for way in study.directions] == ways
    for trial, record in zip(study.trials, records(study), strict=True):
        assert trial.values == [
            record.metric if name == "accuracy" else record.cost[name] for name in names
        ]


@pytest.mark.parametrize(
    "sampler", [optuna.samplers.NSGAIISampler, optuna.samplers.TPESampler], ids=["nsga2", "tpe"]
)
@pytest.mark.parametrize("names", [("accuracy",), ("accuracy", "latency_ms", "flash_bytes")])
def test_samplers_come_to_keep_the_budget(
    backend: BoardBackend, sampler: Any, names: tuple[str, ...]
) -> None:
    """With one objective and with several: constraints are Optuna's own."""
    options = {"population_size": 12} if sampler is optuna.samplers.NSGAIISampler else {}
    study = searched(
        Evaluator.on(backend, "sqlite://", Budget(latency_ms=24)),
        trials=90, objectives=names, space="lenet", trust="table", train=lambda model, trial: 0.5,
        sampler=sampler(seed=1, **options),
    )  # fmt: skip
    fits = [max(trial.constraints.values()) <= 0 for trial in study.trials]
    assert sum(fits[-30:]) > sum(fits[:30]) > 0


def test_metric_names_have_units(backend: BoardBackend) -> None:
    study = searched(judge(backend), trials=1, objectives=FIGURES)
    assert study.metric_names == [
        "accuracy", "latency (ms)", "energy (mJ)", "RAM (bytes)", "flash (bytes)",
    ]  # fmt: skip


# --- several boards --------------------------------------------------------------------------


def test_the_worst_of_two_boards(backend: BoardBackend, second: BoardBackend) -> None:
    study = searched(
        [judge(backend, latency_ms=4.0), judge(second, latency_ms=1.0)],
        objectives=("accuracy", "latency_ms", "ram_bytes"),
    )
    first, other = backend.spec.name, SECOND
    assert {record.trained for record in records(study)} == {True, False}
    for trial, record in zip(study.trials, records(study), strict=True):
        assert set(record.costs) == {first, other}
        for figure, value in zip(("latency_ms", "ram_bytes"), trial.values[1:], strict=True):
            assert value == max(cost[figure] for cost in record.costs.values())
        assert record.cost["energy_mj"] is None
        limits = {f"latency_ms@{first}": 4.0, f"latency_ms@{other}": 1.0}
        for name, limit in limits.items():
            value = record.costs[name.partition("@")[2]]["latency_ms"]
            if name in trial.constraints:
                assert trial.constraints[name] == pytest.approx((value - limit) / limit)
        fits = all(value <= 0 for value in trial.constraints.values())
        assert record.trained == record.feasible == fits
        if record.trained:
            assert set(trial.constraints) >= set(limits)


def test_an_objective_for_each_board(backend: BoardBackend, second: BoardBackend) -> None:
    objective = HardwareObjective(
        small_space, [judge(backend), judge(second)], count_parameters, across="each"
    )
    names = [f"latency_ms@{backend.spec.name}", f"latency_ms@{SECOND}"]
    assert objective.objectives == ("accuracy", *names)
    study = open_study(objective, seed=0)
    run_search(study, objective, trials=4)
    assert study.metric_names == [
        "accuracy", f"latency (ms) on {backend.spec.name}", f"latency (ms) on {SECOND}",
    ]  # fmt: skip
    for trial, record in zip(study.trials, records(study), strict=True):
        assert trial.values[1:] == [cost["latency_ms"] for cost in record.costs.values()]
    one = HardwareObjective(
        small_space, [judge(backend), judge(second)], count_parameters,
        objectives=("accuracy", names[1]),
    )  # fmt: skip
    assert one.objectives == ("accuracy", names[1])


def test_boards_that_do_not_go_together(backend: BoardBackend, second: BoardBackend) -> None:
    for evaluators, options, words in (
        ([], {}, "name one or more"),
        ([judge(backend), judge(backend)], {}, "each once"),
        ([judge(backend), judge(second)], {"objectives": ("latency_ms@moon",)}, "none of"),
        ([judge(backend), judge(second)], {"objectives": ("energy_mj",)}, f"power of {SECOND}"),
    ):
        with pytest.raises(StudyError, match=words):
            HardwareObjective(small_space, evaluators, count_parameters, **options)
    with (
        open_backend(SECOND, kernel_set="float32") as floats,
        pytest.raises(StudyError, match="one type"),
    ):
        HardwareObjective(small_space, [judge(backend), judge(floats)], count_parameters)


# --- gates -----------------------------------------------------------------------------------


def test_a_gate_of_the_users_own(backend: BoardBackend) -> None:
    def thin(network: Network, cost: HardwareCost) -> float:
        assert cost.basis in ("table", "network")
        return (network.layers[0].output_shape[-1] - 8) / 8

    study = searched(judge(backend), trials=16, gates=[thin])
    counts = ledger(study)
    assert counts.stopped[Gate.USER] > 0 and counts.stopped[Gate.TRAINED] > 0
    for trial, record in zip(study.trials, records(study), strict=True):
        channels = record.rebuild_network().layers[0].output_shape[-1]
        assert trial.constraints["thin"] == (channels - 8) / 8
        assert record.trained == (channels <= 8)
    stopped = [record for record in records(study) if record.gate is Gate.USER]
    assert all(record.verdict.startswith("user: thin ") for record in stopped)
    assert counts.seconds["user"] > 0 and counts.saved[Gate.USER] > 0


def test_gates_that_fail_fail_their_trial(backend: BoardBackend) -> None:
    def broken(network: Network, cost: HardwareCost) -> float:
        raise RuntimeError("no gate today")

    def lost(network: Network, cost: HardwareCost) -> float:
        return math.nan

    for gate, words in ((broken, "RuntimeError: no gate today"), (lost, "returned nan")):
        study = searched(judge(backend), trials=2, gates=[gate])
        assert ledger(study).failed == 2
        assert words in study.trials[0].user_attrs["hwnas_error"]
    with pytest.raises(StudyError, match="name of its own"):
        searched(judge(backend), gates=[lost, lost])


def test_what_is_over_budget_may_be_pruned(backend: BoardBackend) -> None:
    study = searched(judge(backend, latency_ms=3.0), trials=16, infeasible="prune")
    for trial, record in zip(study.trials, records(study), strict=True):
        assert (trial.state is TrialState.COMPLETE) == record.trained == record.feasible
    assert study.get_trials(states=(TrialState.PRUNED,))
    counts = ledger(study)
    assert sum(counts.stopped.values()) == 16 and counts.stopped[Gate.PRUNED] == 0
    with pytest.raises(StudyError, match="'complete' or 'prune'"):
        searched(judge(backend), infeasible="forget")


def test_an_impossible_budget_is_said_once_with_the_nearest(backend: BoardBackend) -> None:
    def square(trial: optuna.Trial) -> Network:
        side = trial.suggest_int("side", 20, 125)
        b = NetworkBuilder((side, side, 1))
        b.softmax(b.dense(b.flatten(b.conv2d(b.input, 4, 3)), 4))
        return b.build()

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        study = searched(
            judge(backend, ram_bytes=6_000), trials=120, space=square,
            sampler=optuna.samplers.RandomSampler(seed=0),
        )  # fmt: skip
    (said,) = [str(w.message) for w in told if w.category is HopelessBudgetWarning]
    found = re.match(r"none of (\d+) networks .* nearest is trial (\d+), static: ram_bytes", said)
    assert found is not None and int(found[1]) == HOPELESS_AFTER, said
    found_out = finished_records(study.get_trials()).items()
    sides = {n: study.trials[n].params["side"] for n, r in found_out if r.duplicate_of is None}
    first = dict(list(sides.items())[:HOPELESS_AFTER])
    assert int(found[2]) == min(first, key=lambda number: (first[number], number))


# --- trust in the table ----------------------------------------------------------------------


def with_bound(backend: BoardBackend, bound: float | None, **limits: Any) -> Evaluator:
    made = judge(backend, **limits)
    if bound is not None:
        made.table.put_accuracy(backend.target, Accuracy("small", 50, bound / 2, 0.0, bound, 0.999))
    return made


def bases(study: optuna.Study) -> dict[str, int]:
    return ledger(study).by_basis


def test_the_table_may_be_trusted_always_or_never(backend: BoardBackend) -> None:
    always = searched(with_bound(backend, None), trust="table")
    assert bases(always) == {"table": bases(always)["table"]}
    never = searched(with_bound(backend, 0.01), trust="network")
    assert bases(never) == {"network": bases(never)["network"]}


def test_what_the_bound_leaves_open_and_the_front_are_run_end_to_end(
    backend: BoardBackend,
) -> None:
    """Metrics of chance, so that only some of the networks are on the front when they come."""

    def chance(model: Any, trial: optuna.Trial) -> float:
        return float(np.random.default_rng(trial.number).random())

    bound, limit = 0.02, 3.2
    evaluator = with_bound(backend, bound, latency_ms=limit)
    study = searched(evaluator, trials=40, train=chance)
    trained: list[TrialRecord] = []
    seen = {"open": 0, "front": 0, "table": 0}
    for record in records(study):
        if record.duplicate_of is not None:
            continue
        network = record.rebuild_network()
        sum_ms = evaluator.table_cost(network).latency_ms
        is_open = sum_ms / (1 + bound) <= limit < sum_ms / (1 - bound)
        on_front = record.trained and not any(
            other.metric >= record.metric and other.cost["latency_ms"] <= sum_ms
            for other in trained
        )
        assert (record.cost["basis"] == "network") == (is_open or on_front), record.verdict
        seen["open" if is_open else "front" if on_front else "table"] += 1
        if record.trained:
            trained.append(record)
    assert min(seen.values()) > 0, seen
    assert all(entry.record.cost["basis"] == "network" for entry in pareto_front(study))


def test_without_a_bound_what_fits_is_run_end_to_end(backend: BoardBackend) -> None:
    study = searched(with_bound(backend, None, latency_ms=3.2), trials=20)
    for record in records(study):
        assert (record.cost["basis"] == "network") == record.feasible
    assert Trust("auto") is Trust.AUTO


# --- training --------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_training_past_its_limit_fails_its_trial_only(backend: BoardBackend, jobs: int) -> None:
    """Also one that catches every Exception, in the main thread and in others."""

    def endless(model: Any, trial: optuna.Trial) -> float:
        end = time.monotonic() + (60 if trial.number == 1 else 0)
        while time.monotonic() < end:
            with contextlib.suppress(Exception):
                time.sleep(0.01)
        return count_parameters(model, trial)

    objective = HardwareObjective(small_space, judge(backend), endless, train_limit_s=0.3)
    study = open_study(objective)
    for filters in (4, 8, 12):
        study.enqueue_trial({"filters": filters, "pool": 2})
    start = time.monotonic()
    run_search(study, objective, trials=3, jobs=jobs)
    assert time.monotonic() - start < 50
    states = [trial.state for trial in study.trials]
    assert states == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]
    assert "after its limit of 0.3 s" in study.trials[1].user_attrs["hwnas_error"]
    with pytest.raises(StudyError, match="train_limit_s 0"):
        searched(judge(backend), train_limit_s=0)


def test_the_quantized_model_can_be_what_counts(backend: BoardBackend) -> None:
    draw = np.random.default_rng(0)
    classes = draw.integers(0, 4, 200)
    images = draw.normal(0, 0.1, (200, 12, 12, 1)).astype(np.float32)
    for image, label in zip(images, classes, strict=True):
        image[3 * label : 3 * label + 3] += 1  # a bar that tells the class

    def train(model: Any, trial: optuna.Trial) -> float:
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(images, classes, epochs=25, batch_size=16, verbose=0)
        return classification_accuracy(model.predict(images, verbose=0), classes)

    study = searched(
        judge(backend), trials=3, train=train, int8=Int8Validation(images, classes),
        objectives=("int8_accuracy", "latency_ms"),
    )  # fmt: skip
    for trial, record in zip(study.trials, records(study), strict=True):
        assert record.int8_metric == trial.values[0]
        assert record.metric > 0.9 and record.int8_metric == pytest.approx(record.metric, abs=0.05)
    beside = searched(judge(backend), trials=1, int8=lambda model: 0.125)
    assert records(beside)[0].int8_metric == 0.125 and beside.trials[0].values[0] > 0.9
    failing = searched(judge(backend), trials=1, int8=lambda model: math.nan)
    assert "the int8 score returned nan" in failing.trials[0].user_attrs["hwnas_error"]
    with pytest.raises(StudyError, match="int8="):
        searched(judge(backend), objectives=("int8_accuracy",))


def test_validation_data_that_do_not_fit() -> None:
    with pytest.raises(DatasetError, match="3 samples with 2 targets"):
        Int8Validation(np.zeros((3, 4), np.float32), np.zeros(2))


# --- what a study keeps ----------------------------------------------------------------------


def test_a_trial_is_loaded_with_network_and_model(backend: BoardBackend) -> None:
    study = searched(judge(backend, latency_ms=4.0), trials=8)
    for number, record in finished_records(study.get_trials()).items():
        loaded = load_trial(study, number)
        assert loaded.network.digest == record.digest and loaded.record == record
        assert record.verdict and record.cost["provenance"]["latency_ms"] in (
            "simulated", "estimated",
        )  # fmt: skip
        layers = record.cost["layers"]
        if record.cost["basis"] != "static":
            assert sum(layer["cycles"] for layer in layers) == pytest.approx(
                record.cost["cycles"], rel=0.05
            )
    model = load_trial(study, 0).build_model()
    assert model.count_params() == records(study)[0].cost["parameters"]
    with pytest.raises(StudyError, match="trials 0 to 7"):
        load_trial(study, 8)


def test_a_trial_without_a_network_cannot_be_loaded(backend: BoardBackend) -> None:
    def space(trial: optuna.Trial) -> Network:
        raise optuna.TrialPruned("not today")

    study = searched(judge(backend), trials=1, space=space)
    with pytest.raises(StudyError, match="no network \\(not today\\)"):
        load_trial(study, 0)


def test_the_ledger_stays_with_the_study(backend: BoardBackend) -> None:
    study = searched(judge(backend, latency_ms=4.0), trials=12)
    counts = ledger(study)
    kept = study.user_attrs[LEDGER_ATTRIBUTE]
    assert kept == counts.to_dict()
    assert kept["training_seconds_saved"] == pytest.approx(
        counts.training_estimate_s * (12 - counts.stopped[Gate.TRAINED])
    )


# --- beginnings ------------------------------------------------------------------------------


def test_a_study_begins_with_anchors(backend: BoardBackend) -> None:
    objective = HardwareObjective("lenet", judge(backend), count_parameters)
    study = open_study(objective, seed=0)
    enqueue_anchor(study, objective, "lenet")
    small = {
        "conv1_filters": 4, "conv1_kernel": 3, "pooling": "max", "second_conv": False,
        "dense_layers": 0,
    }  # fmt: skip
    enqueue_anchor(study, objective, small)
    enqueue_anchor(study, objective, small)
    run_search(study, objective, trials=2)
    reference = objective.prepare(objective.space.reference("lenet"))
    assert load_trial(study, 0).network == reference
    assert study.trials[1].params == small
    for anchor, words in (
        ("moon", "has no reference 'moon'"),
        ({"conv1_filters": 4}, "no point of space lenet"),
        ({**small, "conv1_filters": 99}, "no point of space lenet"),
    ):
        with pytest.raises(StudyError, match=words):
            enqueue_anchor(study, objective, anchor)


def test_a_study_begins_with_another_ones_front(
    backend: BoardBackend, second: BoardBackend, tmp_path: Any
) -> None:
    storage = f"sqlite:///{tmp_path}/first.db"
    objective = HardwareObjective(small_space, judge(backend, latency_ms=4.0), count_parameters)
    source = open_study(objective, storage=storage, name="first", seed=0)
    run_search(source, objective, trials=10)
    front = {entry.record.digest for entry in pareto_front(source)}
    other = HardwareObjective(small_space, judge(second), count_parameters)
    study = open_study(other)
    assert warm_start(study, other, stored_study(storage)) == len(front) > 1
    run_search(study, other, trials=len(front))
    assert {record.digest for record in records(study)} == front
    assert len(finished_trials(study)) == len(front)


def test_studies_that_are_not_there(tmp_path: Any, backend: BoardBackend) -> None:
    storage = f"sqlite:///{tmp_path}/s.db"
    objective = HardwareObjective(small_space, judge(backend), count_parameters)
    for name in ("one", "two"):
        open_study(objective, storage=storage, name=name)
    assert stored_study(storage, "one").study_name == "one"
    with pytest.raises(StudyError, match="name one of its studies; the storage holds 'one', 'two'"):
        stored_study(storage)
    with pytest.raises(StudyError, match="there is no study 'three'"):
        stored_study(storage, "three")
