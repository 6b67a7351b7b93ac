"""Judging known candidates: sampled, snapped, static cost, table look-ups."""

from __future__ import annotations

import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import optuna
from _report import show

import hwnas
from hwnas.evaluator import Trust
from hwnas.snapping import snap
from hwnas.spaces import random_networks
from hwnas.trial_record import Gate, finished_records

CANDIDATES = 40


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = hwnas.load_space("lenet")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trials = [study.ask() for _ in range(CANDIDATES)]
    networks = [space.sample(trial) for trial in trials]
    fixed = [optuna.trial.FixedTrial(trial.params) for trial in trials]
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder)}/table.db"
        with hwnas.Evaluator.for_board("nucleo_l496zg", table=url) as evaluator:
            for network in networks:
                evaluator.evaluate(snap(network))
        with hwnas.Evaluator.for_board("nucleo_l496zg", table=url) as evaluator:
            cold = [judge(space, trial, evaluator) for trial in fixed]
            warm = [judge(space, trial, evaluator) for trial in fixed]
            thousand = judge_thousand(evaluator)
            assert "tensorflow" not in sys.modules, "the gate's path imported tensorflow"
            inside = inside_hwnas(evaluator)
    show(
        f"judging {CANDIDATES} known LeNet-like candidates (tensorflow not imported)",
        [
            ("first time in this process (SQLite)", cold, "ms", "2 or less"),
            ("again (in-process cache)", warm, "ms", "2 or less"),
            ("sample, snap and judge 1,000 random candidates", thousand, "s", "2 or less"),
            ("hwnas in a trial of NSGA-II, training a constant", inside, "ms", "5 or less"),
        ],
    )


def judge(
    space: hwnas.SearchSpace, trial: optuna.trial.FixedTrial, evaluator: hwnas.Evaluator
) -> float:
    start = time.perf_counter()
    evaluator.evaluate(snap(space.sample(trial)))
    return (time.perf_counter() - start) * 1e3


def judge_thousand(evaluator: hwnas.Evaluator) -> list[float]:
    """From a table that has all their layers, as a search judges them: by the table alone."""
    space = hwnas.load_space("lenet")
    networks = list(islice(random_networks(space, seed=5), 1000))
    for network in networks:
        evaluator.evaluate(snap(network), Trust.TABLE)
    drawn = random_networks(space, seed=5)
    start = time.perf_counter()
    for _ in range(1000):
        evaluator.evaluate(snap(next(drawn)), Trust.TABLE)
    return [time.perf_counter() - start]


def inside_hwnas(evaluator: hwnas.Evaluator) -> list[float]:
    """The time of the objective less that of Optuna's calls in it, training a constant.

    Building a Keras model is in it, so tensorflow is imported first.
    """
    limited = hwnas.Evaluator(evaluator.backend, evaluator.table, hwnas.Budget(latency_ms=30))
    objective = hwnas.HardwareObjective("lenet", limited, lambda model, trial: 0.5)
    study = hwnas.open_study(objective, seed=0)
    hwnas.to_keras(hwnas.load_space("lenet").reference("lenet"))
    inside = []

    def timed(trial: optuna.Trial) -> tuple[float, ...]:
        clock = OptunaClock(trial)
        start = time.perf_counter()
        values = objective(clock)  # type: ignore[arg-type]
        inside.append((time.perf_counter() - start - clock.seconds) * 1e3)
        return values

    study.optimize(timed, n_trials=200)
    assert Gate.TRAINED in {r.gate for r in finished_records(study.trials).values()}
    return inside


class OptunaClock:
    """A trial that adds up the time of what is asked of it."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial
        self.seconds = 0.0

    def __getattr__(self, name: str) -> object:
        found = getattr(self._trial, name)
        if not callable(found):
            return found

        def timed(*args: object, **kwargs: object) -> object:
            start = time.perf_counter()
            try:
                return found(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - start

        return timed


if __name__ == "__main__":
    main()
