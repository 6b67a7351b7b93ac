"""The user's training of one candidate, and what can go wrong in it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import Trial

from hwnas.errors import HwnasError, StudyError
from hwnas.keras_io import to_keras
from hwnas.network import Network
from hwnas.spaces import Candidate
from hwnas.time_limit import TimeOverError, time_limit

TrainFunction = Callable[[Any, Trial], float]
Int8Score = Callable[[Any], float]


class TrainingError(HwnasError):
    """The user's training function raised, took too long, or returned no finite number."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a training.

    Attributes:
        metric: What ``train`` returned; ``None`` where it pruned the trial.
        int8_metric: The score of the quantized model, where one is asked for.
        seconds: Host time.
    """

    metric: float | None
    int8_metric: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class TrainStep:
    """Builds a candidate's Keras model, has it trained, and scores what is deployed.

    Args:
        train: ``train(model, trial) -> float``.
        limit_s: Longest time that it may take, in seconds.
        int8: Scores the trained model once it is quantized.

    Raises:
        StudyError: The limit is no positive number.
    """

    train: TrainFunction
    limit_s: float | None = None
    int8: Int8Score | None = None

    def __post_init__(self) -> None:
        if self.limit_s is not None and not 0 < self.limit_s < math.inf:
            raise StudyError(f"train_limit_s {self.limit_s}: a number of seconds above 0 is wanted")

    def run(self, trial: Trial, candidate: Candidate, network: Network) -> Trained:
        """Train one candidate.

        Args:
            trial: The trial.
            candidate: As it was sampled; its own model is taken where snapping left it alone.
            network: As it was judged.

        Raises:
            TrainingError: A function of the user's raised, took too long, or returned no finite
                number.
        """
        start = time.perf_counter()
        unchanged = candidate.model is not None and network == candidate.network
        model = candidate.model if unchanged else to_keras(network)
        try:
            with time_limit(self.limit_s):
                metric = self._number(trial, "train", lambda: self.train(model, trial))
        except optuna.TrialPruned:
            return Trained(None, None, time.perf_counter() - start)
        except TimeOverError:
            raise TrainingError(
                f"trial {trial.number}: train was ended after its limit of {self.limit_s:g} s"
            ) from None
        int8_metric = None
        if self.int8 is not None:
            score = self.int8
            int8_metric = self._number(trial, "the int8 score", lambda: score(model))
        return Trained(metric, int8_metric, time.perf_counter() - start)

    @staticmethod
    def _number(trial: Trial, what: str, function: Callable[[], float]) -> float:
        try:
            value = float(function())
        except (HwnasError, optuna.TrialPruned):
            raise
        except (Exception, SystemExit) as error:
            raise TrainingError(
                f"trial {trial.number}: {what} raised {type(error).__name__}: {error}"
            ) from error
        if not math.isfinite(value):
            raise TrainingError(
                f"trial {trial.number}: {what} returned {value}; a finite number is wanted"
            )
        return value
