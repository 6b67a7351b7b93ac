"""A HyperModel whose models are judged by the hardware before they are trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hwnas.errors import HwnasError, UnsupportedLayerError
from hwnas.evaluator import Trust
from hwnas.keras_io import from_keras
from hwnas.panel import HARDWARE, Judgement, Panel
from hwnas.target import Provenance
from hwnas.tuner._import import keras, keras_tuner
from hwnas.tuner._objective import WeightedObjective

TIMED: Final = ("latency_ms", "energy_mj")
OVER_BUDGET: Final = "over_budget"
"""A metric of refused candidates: the largest (value - limit) / limit."""


class OverBudgetError(keras_tuner.errors.FailedTrialError):
    """A candidate was refused before training.

    Attributes:
        metrics: What the hardware told of it.
    """

    def __init__(self, message: str, metrics: Mapping[str, float]) -> None:
        super().__init__(message)
        self.metrics = dict(metrics)


class HardwareHyperModel(keras_tuner.HyperModel):
    """Judges what another HyperModel builds when it is to be trained, not when it is built.

    KerasTuner builds models for other ends, too: to find the space's parameters, and to load the
    best ones; there a refusal would end the program.

    Args:
        inner: Builds and trains the models.
        panel: The boards that judge them.
        trust: When the table's sum is taken for a network's latency.
    """

    def __init__(self, inner: Any, panel: Panel, trust: Trust) -> None:
        super().__init__(name=inner.name, tunable=inner.tunable)
        self.inner = inner
        self.objective: Any = None
        self._panel = panel
        self._trust = trust

    def build(self, hp: Any) -> Any:
        """What the other one builds."""
        return self.inner.build(hp)

    def declare_hyperparameters(self, hp: Any) -> None:
        """As the other one does."""
        self.inner.declare_hyperparameters(hp)

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Judge a model, and have the other one train it if it keeps within the budget.

        Raises:
            OverBudgetError: It does not, or the firmware cannot run it.
            keras_tuner.errors.FatalError: Board or table failed: no candidate could be judged.
        """
        metrics = self._judged(model)
        # First, so that KerasTuner's own callbacks and the history see them at each epoch.
        callbacks = [HardwareLogs(metrics), *kwargs.pop("callbacks", ())]
        results = self.inner.fit(hp, model, *args, callbacks=callbacks, **kwargs)
        return self._completed(results, metrics)

    def _judged(self, model: Any) -> dict[str, float]:
        try:
            judgement = self._panel.judge(from_keras(model), self._trust)
        except UnsupportedLayerError as error:
            raise OverBudgetError(str(error), {OVER_BUDGET: 1.0}) from error
        except HwnasError as error:
            raise keras_tuner.errors.FatalRuntimeError(
                f"{type(error).__name__}: {error}"
            ) from error
        metrics = hardware_metrics(judgement)
        if not judgement.feasible:
            excess = max(judgement.violations.values(), default=1.0)
            raise OverBudgetError(judgement.describe(), {**metrics, OVER_BUDGET: max(excess, 0.0)})
        return metrics

    def _completed(self, results: Any, metrics: dict[str, float]) -> Any:
        """What training returned, with the hardware's figures."""
        if isinstance(results, list):
            return [self._completed(each, metrics) for each in results]
        if isinstance(results, dict):
            known = {**results, **metrics}
        elif isinstance(results, int | float) and not isinstance(self.objective, WeightedObjective):
            known = {self.objective.name: float(results), **metrics}
        else:
            return results  # a history, which the callback has completed
        if self.objective.name not in known and self.objective.has_value(known):
            known[self.objective.name] = self.objective.get_value(known)
        return known


class HardwareLogs(keras.callbacks.Callback):
    """Adds figures that do not change to what training logs at the end of each epoch."""

    def __init__(self, metrics: Mapping[str, float]) -> None:
        super().__init__()
        self._metrics = dict(metrics)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """See Keras."""
        if logs is not None:
            logs.update(self._metrics)


def hardware_metrics(judgement: Judgement) -> dict[str, float]:
    """The figures that are known; the worst of several boards.

    Latency that the static gate only guessed is none, and neither is energy that follows from it.
    """
    cost = judgement.cost
    guessed = cost.provenance["latency_ms"] == Provenance.ESTIMATED
    told = [name for name in HARDWARE if not (guessed and name in TIMED)]
    found = {name: getattr(cost, name) for name in told}
    return {name: float(value) for name, value in found.items() if value is not None}
