"""Spaces both ways: hwnas's as HyperModels, and HyperModels as spaces of Optuna studies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hwnas.keras_io import to_keras
from hwnas.snapping import snap
from hwnas.spaces import DeclaredSpace, load_space
from hwnas.tuner._import import keras_tuner

_HYPERMODEL = keras_tuner.src.engine.hypermodel


def space_hypermodel(
    space: DeclaredSpace | str | Path, compile_model: Callable[[Any], object]
) -> Any:
    """A declarative space as a HyperModel; its networks are snapped as in a study.

    Args:
        space: The space, its name, or its file.
        compile_model: Gets each model and compiles it.

    Raises:
        SpaceError: The space is unknown or wrong.

    Example:
        >>> hypermodel = space_hypermodel("lenet", lambda model: model.compile("adam", "mse"))
        >>> hypermodel.build(keras_tuner.HyperParameters()).input_shape
        (None, 32, 32, 1)
    """
    found = space if isinstance(space, DeclaredSpace) else load_space(space)
    return _SpaceHyperModel(found, compile_model)


class _SpaceHyperModel(keras_tuner.HyperModel):
    def __init__(self, space: DeclaredSpace, compile_model: Callable[[Any], object]) -> None:
        super().__init__(name=space.name)
        self._space = space
        self._compile = compile_model

    def build(self, hp: Any) -> Any:
        model = to_keras(snap(self._space.sample(_Suggestions(hp))))
        self._compile(model)
        return model


class _Suggestions:
    """KerasTuner's parameters under the names of Optuna's."""

    def __init__(self, hp: Any) -> None:
        self._hp = hp

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        return int(self._hp.Int(name, low, high, step=step))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._hp.Choice(name, list(choices))


def hypermodel_space(hypermodel: Any) -> Callable[[Any], Any]:
    """A HyperModel, or a function that builds models, as the space of a study.

    Conditional parameters are asked for where they are active, as in KerasTuner. Sampling
    ``reverse_log``, which Optuna does not know, is by a parameter from 0 to 1.

    Args:
        hypermodel: A ``keras_tuner.HyperModel``, or a function from hyperparameters to a model.

    Returns:
        From a trial to a ``keras.Model``, as :class:`hwnas.HardwareObjective` takes it.

    Example:
        >>> objective = HardwareObjective(hypermodel_space(build), evaluator, train)
        ... # doctest: +SKIP
    """
    inner = _HYPERMODEL.get_hypermodel(hypermodel)

    def space(trial: Any) -> Any:
        return inner.build(_TrialHyperParameters(trial))

    # A study that is opened again must find the same space: it goes by this name.
    named = hypermodel if hasattr(hypermodel, "__qualname__") else type(hypermodel)
    space.__module__, space.__qualname__ = named.__module__, named.__qualname__
    return space


class _TrialHyperParameters(keras_tuner.HyperParameters):
    """Asks an Optuna trial for each parameter when it is first used."""

    def __init__(self, trial: Any) -> None:
        super().__init__()
        self._trial = trial

    def _retrieve(self, hp: Any) -> Any:
        # All kinds of parameters come through here, whichever method made them; KerasTuner takes a
        # value that is there in place of the default.
        if hp.name not in self.values and self._conditions_are_active(hp.conditions):
            self.values[hp.name] = _suggested(self._trial, hp)
        return super()._retrieve(hp)


def _suggested(trial: Any, hp: Any) -> Any:
    kinds = keras_tuner.engine.hyperparameters
    if isinstance(hp, kinds.Fixed):
        return hp.value
    if isinstance(hp, kinds.Boolean):
        return trial.suggest_categorical(hp.name, [False, True])
    if isinstance(hp, kinds.Choice):
        return trial.suggest_categorical(hp.name, list(hp.values))
    if hp.sampling == "reverse_log":
        return hp.prob_to_value(trial.suggest_float(hp.name, 0.0, 1.0))
    is_log = hp.sampling == "log"
    if is_log and hp.step is not None:
        kind = int if isinstance(hp, kinds.Int) else float
        return trial.suggest_categorical(hp.name, [kind(value) for value in hp.values])
    if isinstance(hp, kinds.Int):
        step = 1 if hp.step is None else hp.step
        return trial.suggest_int(hp.name, hp.min_value, hp.max_value, step=step, log=is_log)
    return trial.suggest_float(hp.name, hp.min_value, hp.max_value, step=hp.step, log=is_log)
