"""Judging known candidates: sampled, snapped, static cost, table look-ups."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import optuna
from _report import show

import hwnas
from hwnas.snapping import snap
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
            whole = whole_trials(evaluator)
    assert "tensorflow" not in sys.modules, "the gate's path imported tensorflow"
    show(
        f"judging {CANDIDATES} known LeNet-like candidates (tensorflow not imported)",
        [
            ("first time in this process (SQLite)", cold, "ms", "2 or less"),
            ("again (in-process cache)", warm, "ms", "2 or less"),
            ("a whole Optuna trial, in memory, NSGA-II", whole, "ms", "Optuna's own time in it"),
        ],
    )


def judge(
    space: hwnas.SearchSpace, trial: optuna.trial.FixedTrial, evaluator: hwnas.Evaluator
) -> float:
    start = time.perf_counter()
    evaluator.evaluate(snap(space.sample(trial)))
    return (time.perf_counter() - start) * 1e3


def whole_trials(evaluator: hwnas.Evaluator) -> list[float]:
    """Trials that a tight budget stops at a gate, so that nothing is trained."""
    tight = hwnas.Evaluator(evaluator.backend, evaluator.table, hwnas.Budget(latency_ms=0.001))
    objective = hwnas.HardwareObjective("lenet", tight, lambda model, trial: 0.0)
    study = hwnas.open_study(objective, seed=0)
    hwnas.run_search(study, objective, trials=100)
    assert Gate.TRAINED not in {r.gate for r in finished_records(study.trials).values()}
    return [t.duration.total_seconds() * 1e3 for t in study.trials if t.duration]


if __name__ == "__main__":
    main()
