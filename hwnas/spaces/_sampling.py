"""Follows a space's steps with the choices of one trial."""

from __future__ import annotations

from collections.abc import Mapping

from hwnas.errors import NetworkError, SpaceError
from hwnas.network import Network, NetworkBuilder
from hwnas.spaces._compile import CLASSES, INPUT, PREVIOUS, Step
from hwnas.spaces._expression import CHANNELS
from hwnas.spaces._layers import layer_of
from hwnas.spaces._parameters import DeclaredParameter, Suggesting, Value
from hwnas.spaces._schema import SpaceFile
from hwnas.spaces._yaml import KeyPath, render


class Sampling:
    """One walk over a space's steps.

    Args:
        file: The space.
        trial: Is asked for parameters as entries read them.
    """

    def __init__(self, file: SpaceFile, trial: Suggesting) -> None:
        self._file = file
        self._trial = trial
        self._builder = NetworkBuilder(file.input)
        self._asked: dict[str, Value] = {}
        self._outputs = {INPUT: self._builder.input}
        self._scopes: list[tuple[Mapping[str, DeclaredParameter], str]] = [(file.parameters, "")]
        self._constants: dict[str, Value] = {}
        if file.classes is not None:
            self._constants[CLASSES] = file.classes

    def run(self, steps: tuple[Step, ...]) -> Network:
        """The network of the trial's choices.

        Raises:
            SpaceError: They make none; the message names them.
        """
        self._follow(steps, self._builder.input)
        try:
            network = self._builder.build()
        except NetworkError as error:
            raise self._error(("layers",), str(error)) from error
        classes = self._file.classes
        if classes is not None and network.output_shape != (classes,):
            raise self._error(
                ("layers",), f"the output is {network.output_shape}, not one per class: {classes}"
            )
        return network

    def _follow(self, steps: tuple[Step, ...], previous: int) -> int:
        for step in steps:
            if all(self._lookup(name) in values for name, values in step.when):
                previous = self._enter(step, previous)
            if step.named:
                self._outputs[step.named] = previous
        return previous

    def _enter(self, step: Step, previous: int) -> int:
        x = self._output(step.takes, previous, step.path) if step.takes else previous
        if step.operator == "block":
            return self._follow(step.steps, x)
        if step.operator == "repeat":
            return self._repeat(step, x)
        shape = self._builder.shape
        self._constants[CHANNELS] = shape(x)[-1]
        inputs = [self._output(name, x, step.path) for name in step.adds] or [x]
        chosen = tuple((name, option.resolve(self._lookup)) for name, option in step.options)
        try:
            layer = layer_of(step.operator, tuple(map(shape, inputs)), step.fixed + chosen)
        except NetworkError as error:
            raise self._error((*step.path, step.operator), str(error)) from error
        return self._builder.append(layer, *inputs)

    def _repeat(self, step: Step, x: int) -> int:
        assert step.times is not None
        outer = self._scopes[-1][1]
        for turn in range(step.times.resolve(self._lookup)):
            self._scopes.append((step.parameters, f"{outer}_{turn + 1}"))
            x = self._follow(step.steps, x)
            self._scopes.pop()
        return x

    def _output(self, name: str, previous: int, path: KeyPath) -> int:
        if name == PREVIOUS:
            return previous
        if name not in self._outputs:
            raise self._error(path, f"the entry named {name!r} is not part of this sample")
        return self._outputs[name]

    def _lookup(self, name: str) -> Value:
        for parameters, suffix in reversed(self._scopes):
            if name in parameters:
                asked = name + suffix
                if asked not in self._asked:
                    self._asked[asked] = parameters[name].suggest(self._trial, asked)
                return self._asked[asked]
        return self._constants[name]

    def _error(self, path: KeyPath, message: str) -> SpaceError:
        point = ", ".join(f"{name}={value}" for name, value in self._asked.items())
        return SpaceError(
            f"space {self._file.name}, {render(path)}: {message}; with {point or 'no parameters'}"
        )
