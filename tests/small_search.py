"""A space of small networks, and trainings that cost nothing, for tests of studies.

:func:`take_part` is for processes of their own.
"""

from __future__ import annotations

import os
import time
from typing import Any

import optuna

from hwnas.budget import Budget
from hwnas.evaluator import Evaluator
from hwnas.network import Network, NetworkBuilder
from hwnas.objective import HardwareObjective
from hwnas.opening import open_backend
from hwnas.search import open_study, run_search
from hwnas.table import LookupTable


def small_space(trial: optuna.Trial) -> Network:
    b = NetworkBuilder((12, 12, 1))
    x = b.conv2d(b.input, trial.suggest_int("filters", 1, 24), 3, activation="relu")
    x = b.max_pool2d(x, trial.suggest_categorical("pool", [2, 3]))
    b.softmax(b.dense(b.flatten(x), 4))
    return b.build()


def count_parameters(model: Any, trial: optuna.Trial) -> float:
    """A metric that grows with the network, so that accuracy and latency really are at odds."""
    return 1 - 1 / float(model.count_params())


def take_part(storage: str, trials: int, log: str, seconds: float = 0.3) -> None:
    """Log each training when it begins, and take part until the study is full."""

    def train(model: Any, trial: optuna.Trial) -> float:
        file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{model.count_params()} {os.getpid()}\n".encode())
        os.close(file)
        time.sleep(seconds)
        return count_parameters(model, trial)

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with open_backend("nucleo_l496zg") as backend:
        evaluator = Evaluator(backend, LookupTable.open("sqlite://"), Budget(latency_ms=4.0))
        objective = HardwareObjective(small_space, evaluator, train)
        study = open_study(objective, storage=storage)
        run_search(study, objective, trials=trials)
