"""The Optuna objective: candidates pay for their hardware before they are trained."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

import optuna
from optuna.trial import Trial

from hwnas.errors import HwnasError, SpaceError, StudyError
from hwnas.evaluator import Evaluator, Rung, Trust
from hwnas.hardware_cost import HardwareCost
from hwnas.network import Network
from hwnas.panel import HARDWARE, Across, Judgement, Panel, is_hardware
from hwnas.spaces import Candidate, SearchSpace, as_space
from hwnas.train_step import Int8Score, Trained, TrainFunction, TrainStep
from hwnas.trial_memory import Remembered, TrialMemory
from hwnas.trial_record import ATTRIBUTE, FAILURE, INVALID, Gate, TrialRecord, nearest_miss

METRIC: Final = "accuracy"
INT8_METRIC: Final = "int8_accuracy"
REFUSED: Final = "kernels"
"""Name of the constraint that a candidate violates which the kernels cannot run at all."""
PATIENCE_S: Final = 3600.0
HOPELESS_AFTER: Final = 50
"""Networks of which none keeps within the budget, before that is said."""
GateFunction = Callable[[Network, HardwareCost], float]


class GateError(HwnasError):
    """A gate of the user's raised or returned no finite number."""


class HopelessBudgetWarning(UserWarning):
    """Of many candidates none keeps within the budget."""


class HardwareObjective:
    """A callable for ``study.optimize`` that trains only what fits the budget.

    Each trial: sample a network, snap its channels, answer duplicates from memory, then climb
    static -> table -> board -> the user's own gates; a candidate that a gate stops completes with
    the hardware values known by then, ``floor`` as its metric, and the violated limits as
    constraints, so samplers learn from it. What passes is built as a Keras model and handed to
    ``train``, which may prune it (``optuna.TrialPruned``); a network that was pruned once is
    pruned at once the next time. No network is trained twice, were it by another process on the
    same storage that wants it at the same moment.

    Args:
        space: A search space, its name or YAML file, or a function ``trial -> Network`` or
            ``trial -> keras.Model``.
        evaluator: Board, table and budget; several for a study over several boards, where a
            candidate has to keep within the budget of each.
        train: ``train(model, trial) -> float``; larger is better. Leaves the model trained.
        objectives: What the study optimizes, in order: ``"accuracy"`` (the value of ``train``),
            ``"int8_accuracy"`` (that of ``int8``), and any of ``latency_ms``, ``energy_mj``,
            ``ram_bytes``, ``flash_bytes``; with several boards also a figure of one of them,
            ``"latency_ms@nucleo_l496zg"``.
        across: With several boards: ``"worst"`` makes a figure the worst of them all, ``"each"``
            makes one objective a board.
        trust: When the table's sum is taken for a network's latency; with ``"auto"`` where its
            error bound leaves no doubt of the verdict, and the network is not on the front.
        gates: More gates before training, ``gate(network, cost) -> float``, each a constraint of
            its function's name: above 0 is too much, as in (value - limit) / limit.
        infeasible: What becomes of candidates over budget: ``"complete"`` with values that
            samplers learn from, or ``"prune"``, from which TPE learns little and NSGA-II nothing.
        floor: The metric of a candidate that was not trained; chance level by default.
        snap_channels: Whether channels are snapped to multiples of 4.
        train_limit_s: Longest time of a training, in seconds; a trial that takes longer fails.
        int8: Scores a trained model once it is quantized
            (:class:`hwnas.int8_metric.Int8Validation`); told beside the metric where it is no
            objective.
        patience_s: Longest wait for another process that trains the same network, in seconds.

    Raises:
        StudyError: An objective is unknown, twice there, or its figure is not known of a board; or
            ``floor`` or a limit is no finite number, or a gate's name is taken.

    Example:
        >>> objective = HardwareObjective("lenet", evaluator, train)  # doctest: +SKIP
        >>> study = optuna.create_study(directions=objective.directions)  # doctest: +SKIP
        >>> study.optimize(objective, n_trials=50)  # doctest: +SKIP
    """

    def __init__(
        self,
        space: SearchSpace | str | Callable[[Trial], Any],
        evaluator: Evaluator | Sequence[Evaluator],
        train: TrainFunction,
        *,
        objectives: Sequence[str] = (METRIC, "latency_ms"),
        across: Across | Literal["worst", "each"] = Across.WORST,
        trust: Trust | Literal["table", "network", "auto"] = Trust.AUTO,
        gates: Sequence[GateFunction] = (),
        infeasible: Literal["complete", "prune"] = "complete",
        floor: float | None = None,
        snap_channels: bool = True,
        train_limit_s: float | None = None,
        int8: Int8Score | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        evaluators = [evaluator] if isinstance(evaluator, Evaluator) else list(evaluator)
        self.panel = Panel(evaluators)
        self.space = as_space(space)
        self.objectives = self.panel.objectives(objectives, Across(across))
        self.snap_channels = snap_channels
        self._across = Across(across)
        self._trust = Trust(trust)
        self._gates = {_name_of(gate): gate for gate in gates}
        self._infeasible = infeasible
        self._training = TrainStep(train, train_limit_s, int8)
        self._floor = floor
        self._memory = TrialMemory(patience_s)
        self._hope_is_settled = False
        self._check(gates)

    @property
    def directions(self) -> list[Literal["maximize", "minimize"]]:
        """For ``optuna.create_study``: the metric is maximized, the hardware minimized."""
        return ["minimize" if is_hardware(name) else "maximize" for name in self.objectives]

    def config(self) -> dict[str, Any]:
        """What must be equal for two runs to belong to one study."""
        boards = self.panel.by_board
        return {
            "space": self.space.name,
            "objectives": list(self.objectives),
            "budget": {name: judge.budget.to_dict() for name, judge in boards.items()},
            "gates": list(self._gates),
            "snap_channels": self.snap_channels,
            "target": {name: judge.backend.target.digest for name, judge in boards.items()},
        }

    def prepare(self, network: Network) -> Network:
        """A sampled network as it is judged and trained: snapped, unless that was declined."""
        return self.panel.snap(network) if self.snap_channels else network

    def __call__(self, trial: Trial) -> tuple[float, ...]:
        """Judge, and perhaps train, one candidate.

        Returns:
            One finite value an objective.

        Raises:
            optuna.TrialPruned: The sampled parameters make no valid network, or ``train`` pruned
                the trial, or one of the same network before; or the candidate is over budget and
                ``infeasible`` is ``"prune"``.
            TrainingError: ``train`` raised, took too long or returned no finite number.
            GateError: A gate raised or returned no finite number.
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
        network = self.prepare(candidate.network)
        record = self._repeated(trial, network) or self._judged(trial, candidate, network)
        for name, violation in record.violations.items():
            trial.set_constraint(name, violation)
        if record.refusal:
            trial.set_constraint(REFUSED, 1.0)
        trial.set_user_attr(ATTRIBUTE, record.to_attribute())
        self._say_if_hopeless(trial, record)
        if not record.feasible and self._infeasible == "prune":
            raise optuna.TrialPruned(f"trial {trial.number}: {record.verdict}")
        if record.feasible and not record.trained:
            raise optuna.TrialPruned(f"trial {trial.number}: pruned in its training")
        return self._values_of(record)

    def _repeated(self, trial: Trial, network: Network) -> TrialRecord | None:
        earlier = self._memory.find(trial, network.digest)
        return None if earlier is None else _as_duplicate(earlier)

    def _judged(self, trial: Trial, candidate: Candidate, network: Network) -> TrialRecord:
        """Send a network up the ladder, and train it where nothing stops it."""
        judged = self.panel.judge(network, self._trust)
        record = _record(network, judged, self._floor_of(network))
        if record.feasible and self._gates:
            record = self._past_own_gates(record, network, judged)
        if not record.feasible:
            return record
        # Another process may be at it already.
        earlier = self._memory.claim(trial, network.digest)
        if earlier is not None:
            return _as_duplicate(earlier)
        trained = self._training.run(trial, candidate, network)
        record = _after_training(record, trained)
        if self._trust is Trust.AUTO and record.trained and self._is_on_front(trial, record):
            record = self._confirmed(record, network, judged)
        return record

    def _past_own_gates(
        self, record: TrialRecord, network: Network, judged: Judgement
    ) -> TrialRecord:
        start = time.perf_counter()
        found = {name: _asked(name, gate, network, judged) for name, gate in self._gates.items()}
        over = [f"{name} {value:.1%} over" for name, value in found.items() if value > 0]
        return replace(
            record,
            gate=Gate.USER if over else record.gate,
            violations={**record.violations, **found},
            verdict=f"user: {', '.join(over)}" if over else record.verdict,
            seconds={**record.seconds, str(Gate.USER): time.perf_counter() - start},
        )

    def _is_on_front(self, trial: Trial, record: TrialRecord) -> bool:
        """Whether no network that was trained so far is as good in every objective."""
        mine = self._gains(record)
        return not any(
            all(theirs >= own for theirs, own in zip(self._gains(other.record), mine, strict=True))
            for other in self._memory.records(trial.study)
            if other.record.trained and other.record.feasible
        )

    def _gains(self, record: TrialRecord) -> list[float]:
        """A record's values, each the larger the better."""
        return [
            -value if is_hardware(name) else value
            for name, value in zip(self.objectives, self._values_of(record), strict=True)
        ]

    def _confirmed(self, record: TrialRecord, network: Network, judged: Judgement) -> TrialRecord:
        """The record of a network on the front, run end to end where it was not yet."""
        confirmed = self.panel.confirm(network, judged)
        seconds = dict(record.seconds)
        if confirmed != judged:
            board = str(Rung.BOARD)
            seconds[board] = seconds.get(board, 0.0) + confirmed.seconds.get(board, 0.0)
        return replace(
            record,
            **_told(confirmed),
            violations={**record.violations, **confirmed.violations},
            seconds=seconds,
        )

    def _values_of(self, record: TrialRecord) -> tuple[float, ...]:
        return tuple(_value(record, name) for name in self.objectives)

    def _floor_of(self, network: Network) -> float:
        return 1 / max(network.output_shape[-1], 2) if self._floor is None else self._floor

    def _say_if_hopeless(self, trial: Trial, record: TrialRecord) -> None:
        """Once: that the budget seems out of reach, and what came nearest."""
        if self._hope_is_settled:
            return
        if record.feasible:
            self._hope_is_settled = True
            return
        known = {found.number: found.record for found in self._memory.records(trial.study)}
        self._hope_is_settled = any(found.feasible for found in known.values())
        if self._hope_is_settled or len(known) < HOPELESS_AFTER:
            return
        self._hope_is_settled = True
        miss = nearest_miss(known)
        nearest = "" if miss is None else f"; nearest is trial {miss[0]}, {miss[1].verdict}"
        warnings.warn(
            f"none of {len(known)} networks keeps within the budget{nearest}: raise the limits, "
            "or give the space smaller networks",
            HopelessBudgetWarning,
            stacklevel=2,
        )

    def _check(self, gates: Sequence[GateFunction]) -> None:
        known = {METRIC, INT8_METRIC}
        names = self.objectives
        if (
            not names
            or len(set(names)) < len(names)
            or not all(name in known or is_hardware(name) for name in names)
        ):
            raise StudyError(
                f"objectives {list(names)}: name one or more of "
                f"{', '.join((METRIC, INT8_METRIC, *HARDWARE))}, each once"
            )
        if INT8_METRIC in names and self._training.int8 is None:
            raise StudyError(f"objective {INT8_METRIC}: int8= must tell how to score it")
        if self._floor is not None and not math.isfinite(self._floor):
            raise StudyError(f"floor {self._floor}: a finite number is wanted")
        taken = {*HARDWARE, REFUSED}
        if len(self._gates) < len(gates) or taken & self._gates.keys():
            raise StudyError(
                f"gates {[_name_of(gate) for gate in gates]}: each needs a function name of its "
                f"own that is none of {', '.join(sorted(taken))}"
            )
        if self._infeasible not in ("complete", "prune"):
            raise StudyError(f"infeasible {self._infeasible!r}: it is 'complete' or 'prune'")


def _record(network: Network, judged: Judgement, floor: float) -> TrialRecord:
    return TrialRecord(
        gate=Gate(judged.rung),
        digest=network.digest,
        network=network.to_dict(),
        metric=floor,
        trained=False,
        violations=judged.violations,
        refusal=judged.refusal,
        seconds=judged.seconds,
        **_told(judged),
    )


def _told(judged: Judgement) -> dict[str, Any]:
    """The fields of a record that tell what boards said."""
    several = len(judged.by_board) > 1
    return {
        "cost": judged.cost.to_dict(layers=True),
        "costs": {name: found.cost.to_dict(layers=True) for name, found in judged.by_board.items()}
        if several
        else {},
        "verdict": judged.describe(),
    }


def _after_training(record: TrialRecord, trained: Trained) -> TrialRecord:
    seconds = {**record.seconds, str(Rung.TRAIN): trained.seconds}
    if trained.metric is None:
        return replace(record, gate=Gate.PRUNED, seconds=seconds)
    return replace(
        record,
        gate=Gate.TRAINED,
        metric=trained.metric,
        int8_metric=trained.int8_metric,
        trained=True,
        seconds=seconds,
    )


def _as_duplicate(earlier: Remembered) -> TrialRecord:
    return replace(earlier.record, gate=Gate.DUPLICATE, seconds={}, duplicate_of=earlier.number)


def _value(record: TrialRecord, objective: str) -> float:
    if objective == METRIC:
        return record.metric
    if objective == INT8_METRIC:
        return record.metric if record.int8_metric is None else record.int8_metric
    figure, _, board = objective.partition("@")
    return float((record.costs[board] if board else record.cost)[figure])


def _asked(name: str, gate: GateFunction, network: Network, judged: Judgement) -> float:
    try:
        value = float(gate(network, judged.cost))
    except Exception as error:
        raise GateError(f"gate {name}: raised {type(error).__name__}: {error}") from error
    if not math.isfinite(value):
        raise GateError(f"gate {name}: returned {value}; a finite number is wanted")
    return value


def _name_of(gate: GateFunction) -> str:
    return str(getattr(gate, "__name__", type(gate).__name__))
