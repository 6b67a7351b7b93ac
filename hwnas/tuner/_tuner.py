"""Any tuner of KerasTuner's, made aware of hardware."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, Literal

from hwnas.evaluator import Evaluator, Trust
from hwnas.panel import HARDWARE, Panel
from hwnas.target import Provenance
from hwnas.tuner._hypermodel import OVER_BUDGET, HardwareHyperModel, OverBudgetError
from hwnas.tuner._import import keras_tuner

_FAILED: Final = "FAILED"


def hardware_aware(tuner_class: type[Any]) -> type[Any]:
    """A tuner class whose candidates are judged by boards before they are trained.

    It takes the arguments of ``tuner_class`` and two more: ``evaluator``, one or several, with
    their budgets, and ``trust`` (``"auto"``, ``"table"`` or ``"network"``), as
    :class:`hwnas.HardwareObjective` does.

    - A candidate over budget, or with a layer that the firmware cannot run, ends before training:
      its trial is FAILED, with the reason and the hardware's figures. However many of them there
      are, they never end the search; candidates that fail otherwise do, as KerasTuner counts them
      (``max_consecutive_failed_trials``).
    - ``latency_ms``, ``energy_mj``, ``ram_bytes`` and ``flash_bytes`` are metrics of the trial, can
      be (part of) the objective, and are shown by ``results_summary``.

    Searching, reloading, resuming and KerasTuner's distributed mode work as ever.

    Args:
        tuner_class: ``RandomSearch``, ``Hyperband``, ``BayesianOptimization``, ``GridSearch``, or
            any other subclass of ``keras_tuner.Tuner``.

    Example:
        >>> Tuner = hardware_aware(keras_tuner.RandomSearch)
        >>> tuner = Tuner(build, evaluator=evaluator, objective="val_accuracy")  # doctest: +SKIP
    """
    name = f"Hardware{tuner_class.__name__}"
    return type(name, (_HardwareAware, tuner_class), {"__doc__": hardware_aware.__doc__})


class _HardwareAware(keras_tuner.Tuner):
    """What is mixed into a tuner class."""

    def __init__(
        self,
        hypermodel: Any = None,
        *args: Any,
        evaluator: Evaluator | Sequence[Evaluator],
        trust: Trust | Literal["table", "network", "auto"] = Trust.AUTO,
        **kwargs: Any,
    ) -> None:
        self.panel = Panel([evaluator] if isinstance(evaluator, Evaluator) else list(evaluator))
        # As KerasTuner takes a function for a HyperModel.
        inner = keras_tuner.src.engine.hypermodel.get_hypermodel(hypermodel)
        judged = HardwareHyperModel(inner, self.panel, Trust(trust))
        super().__init__(judged, *args, **kwargs)
        judged.objective = self.oracle.objective
        if isinstance(self.oracle, keras_tuner.Oracle):
            # KerasTuner has no setting that tells failures apart; a worker's oracle is the chief's.
            self.oracle._check_consecutive_failures = partial(_check_failures, self.oracle)

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        """As the tuner does; what the hardware told of a refused candidate is kept."""
        try:
            return super().run_trial(trial, *args, **kwargs)
        except OverBudgetError as error:
            unknown = dict.fromkeys(_objective_names(self.oracle.objective), math.nan)
            self.oracle.update_trial(trial.trial_id, {**unknown, **error.metrics})
            raise

    def results_summary(self, num_trials: int = 10) -> None:
        """Print the best trials with their hardware figures, each with how it was obtained."""
        print("Results summary")
        print(f"Results in {self.project_dir}")
        print(f"{self.oracle.objective}")
        for trial in self.oracle.get_best_trials(num_trials):
            print()
            trial.summary()
            for line in self._hardware_lines(trial):
                print(line)

    def _hardware_lines(self, trial: Any) -> list[str]:
        judges = self.panel.by_board
        ways = {str(judge.backend.target.provenance) for judge in judges.values()}
        latency, boards = " and ".join(sorted(ways)), ", ".join(judges)
        return [
            f"{name}: {trial.metrics.get_best_value(name):,.6g} "
            f"({latency if name == 'latency_ms' else Provenance.ESTIMATED}, {boards})"
            for name in HARDWARE
            if trial.metrics.exists(name)
        ]


def _objective_names(objective: Any) -> list[str]:
    several = getattr(objective, "objectives", None)
    return [objective.name] if several is None else [each.name for each in several]


def _check_failures(oracle: Any) -> None:
    """KerasTuner's own check, over the trials that were not refused for their hardware."""
    trials = [oracle.trials[trial_id] for trial_id in oracle.end_order]
    consecutive = 0
    for trial in trials:
        if trial.metrics.exists(OVER_BUDGET):
            continue
        consecutive = consecutive + 1 if trial.status == _FAILED else 0
        if consecutive == oracle.max_consecutive_failed_trials:
            raise RuntimeError(
                f"{consecutive} trials in a row failed, none of them for the budget; the last "
                f"one:\n{trial.message or ''}"
            )
