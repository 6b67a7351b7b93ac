"""The Optuna objective: candidates pay for their hardware before they are trained."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, Final, Literal

import optuna
from optuna.trial import Trial

from hwnas.errors import HwnasError, SpaceError, StudyError
from hwnas.evaluator import Evaluation, Evaluator, Rung
from hwnas.keras_io import to_keras
from hwnas.network import Network
from hwnas.snapping import snap
from hwnas.spaces import Candidate, SearchSpace, as_space
from hwnas.trial_record import (
    ATTRIBUTE,
    FAILURE,
    INVALID,
    JUDGED,
    Gate,
    TrialRecord,
    read_record,
)

METRIC: Final = "accuracy"
HARDWARE: Final = ("latency_ms", "energy_mj", "ram_bytes", "flash_bytes")
REFUSED: Final = "kernels"
"""Name of the constraint that a candidate violates which the kernels cannot run at all."""
TrainFunction = Callable[[Any, Trial], float]


class TrainingError(HwnasError):
    """The user's training function raised, or returned no finite number."""


class HardwareObjective:
    """A callable for ``study.optimize`` that trains only what fits the budget.

    Each trial: sample a network, snap its channels, answer duplicates from memory, then climb
    static -> table -> board; a candidate that a gate stops completes with the hardware values
    known by then, ``floor`` as its metric, and the violated limits as constraints, so samplers
    learn from it. What passes is built as a Keras model and handed to ``train``, which may prune
    it (``optuna.TrialPruned``); a network that was pruned once is pruned at once the next time.

    Args:
        space: A search space, its name or YAML file, or a function ``trial -> Network`` or
            ``trial -> keras.Model``.
        evaluator: Board, table and budget.
        train: ``train(model, trial) -> float``; larger is better.
        objectives: What the study optimizes, in order: ``"accuracy"`` (the value of ``train``)
            and any of ``latency_ms``, ``energy_mj``, ``ram_bytes``, ``flash_bytes``.
        floor: The metric of a candidate that was not trained; chance level by default.
        snap_channels: Whether channels are snapped to multiples of 4.

    Raises:
        StudyError: ``objectives`` names something unknown, twice, or nothing, or ``floor`` is no
            finite number.

    Example:
        >>> objective = HardwareObjective("lenet", evaluator, train)  # doctest: +SKIP
        >>> study = optuna.create_study(directions=objective.directions)  # doctest: +SKIP
        >>> study.optimize(objective, n_trials=50)  # doctest: +SKIP
    """

    def __init__(
        self,
        space: SearchSpace | str | Callable[[Trial], Any],
        evaluator: Evaluator,
        train: TrainFunction,
        *,
        objectives: Sequence[str] = (METRIC, "latency_ms"),
        floor: float | None = None,
        snap_channels: bool = True,
    ) -> None:
        known = (METRIC, *HARDWARE)
        if not objectives or len(set(objectives)) < len(objectives) or set(objectives) - set(known):
            raise StudyError(
                f"objectives {list(objectives)}: name one or more of {', '.join(known)}, each once"
            )
        if floor is not None and not math.isfinite(floor):
            raise StudyError(f"floor {floor}: a finite number is wanted")
        if "energy_mj" in objectives and evaluator.spec.power is None:
            raise StudyError(
                f"objective energy_mj: the power of {evaluator.spec.name} is not known"
            )
        self.space = as_space(space)
        self.evaluator = evaluator
        self.objectives = tuple(objectives)
        self.snap_channels = snap_channels
        self._train = train
        self._floor = floor
        self._memory = _Memory()

    @property
    def directions(self) -> list[Literal["maximize", "minimize"]]:
        """For ``optuna.create_study``: the metric is maximized, the hardware minimized."""
        return ["maximize" if name == METRIC else "minimize" for name in self.objectives]

    def config(self) -> dict[str, Any]:
        """What must be equal for two runs to belong to one study."""
        return {
            "space": self.space.name,
            "objectives": list(self.objectives),
            "budget": self.evaluator.budget.to_dict(),
            "snap_channels": self.snap_channels,
            "target": self.evaluator.backend.target.digest,
        }

    def __call__(self, trial: Trial) -> tuple[float, ...]:
        """Judge, and perhaps train, one candidate.

        Returns:
            One finite value an objective.

        Raises:
            optuna.TrialPruned: The sampled parameters make no valid network, or ``train`` pruned
                the trial, or one of the same network before.
            TrainingError: ``train`` raised or returned no finite number.
            HwnasError: Board or table failed; the study goes on with ``catch=HwnasError``.
        """
        try:
            return self._values(trial)
        except HwnasError as error:
            trial.set_user_attr(FAILURE, f"{type(error).__name__}: {error}")
            raise

    def _values(self, trial: Trial) -> tuple[float, ...]:
        try:
            candidate = self.space.candidate(trial)
        except (SpaceError, optuna.TrialPruned) as error:
            trial.set_user_attr(INVALID, str(error) or "the space pruned the trial")
            raise optuna.TrialPruned(str(error)) from error
        network = self._snapped(candidate.network)
        earlier = self._memory.find(trial, network.digest)
        if earlier is None:
            record = self._judge(trial, candidate, network)
            fate = record.gate
        else:
            record = replace(
                earlier.record, gate=Gate.DUPLICATE, seconds={}, duplicate_of=earlier.number
            )
            fate = earlier.record.gate
        for name, violation in record.violations.items():
            trial.set_constraint(name, violation)
        if record.refusal:
            trial.set_constraint(REFUSED, 1.0)
        trial.set_user_attr(ATTRIBUTE, record.to_attribute())
        if fate is Gate.PRUNED:
            raise optuna.TrialPruned(f"trial {trial.number}: pruned in its training")
        return tuple(
            record.metric if name == METRIC else float(record.cost[name])
            for name in self.objectives
        )

    def _snapped(self, network: Network) -> Network:
        """With the channels that the kernels like."""
        rule = self.evaluator.backend.kernels.snapping
        return snap(network, rule=rule) if self.snap_channels else network

    def _judge(self, trial: Trial, candidate: Candidate, network: Network) -> TrialRecord:
        evaluation = self.evaluator.evaluate(network)
        seconds = {str(rung): spent for rung, spent in evaluation.seconds.items()}
        metric, gate = self._floor_of(network), Gate(evaluation.verdict.rung)
        if evaluation.verdict.feasible:
            start = time.perf_counter()
            try:
                metric, gate = self._trained(trial, candidate, network), Gate.TRAINED
            except optuna.TrialPruned:
                gate = Gate.PRUNED
            seconds[str(Rung.TRAIN)] = time.perf_counter() - start
        return _record(network, evaluation, gate, metric, seconds)

    def _trained(self, trial: Trial, candidate: Candidate, network: Network) -> float:
        unchanged = candidate.model is not None and network == candidate.network
        model = candidate.model if unchanged else to_keras(network)
        try:
            metric = float(self._train(model, trial))
        except (HwnasError, optuna.TrialPruned):
            raise
        except (Exception, SystemExit) as error:
            raise TrainingError(
                f"trial {trial.number}: train raised {type(error).__name__}: {error}"
            ) from error
        if not math.isfinite(metric):
            raise TrainingError(
                f"trial {trial.number}: train returned {metric}; a finite number is wanted"
            )
        return metric

    def _floor_of(self, network: Network) -> float:
        return 1 / max(network.output_shape[-1], 2) if self._floor is None else self._floor


@dataclass(frozen=True, slots=True)
class _Remembered:
    number: int
    record: TrialRecord


class _Memory:
    """Finished candidates of a study by digest, read from its storage as they come in."""

    def __init__(self) -> None:
        self._by_digest: dict[str, _Remembered] = {}
        self._seen: set[int] = set()
        self._study: int | None = None
        self._lock = Lock()

    def find(self, trial: Trial, digest: str) -> _Remembered | None:
        with self._lock:
            self._catch_up(trial)
            return self._by_digest.get(digest)

    def _catch_up(self, trial: Trial) -> None:
        if self._study != trial.study._study_id:
            self._study = trial.study._study_id
            self._by_digest.clear()
            self._seen.clear()
        finished = trial.study.get_trials(deepcopy=False, states=JUDGED)
        for other in finished:
            if other.number not in self._seen:
                self._seen.add(other.number)
                record = read_record(other)
                if record is not None and record.duplicate_of is None:
                    self._by_digest.setdefault(record.digest, _Remembered(other.number, record))


def _record(
    network: Network,
    evaluation: Evaluation,
    gate: Gate,
    metric: float,
    seconds: dict[str, float],
) -> TrialRecord:
    return TrialRecord(
        gate=gate,
        digest=network.digest,
        network=network.to_dict(),
        cost=evaluation.cost.to_dict(),
        metric=metric,
        trained=gate is Gate.TRAINED,
        violations=dict(evaluation.verdict.violations),
        refusal=evaluation.verdict.refusal,
        seconds=seconds,
    )
