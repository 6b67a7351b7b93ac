"""Search spaces that are declared in a YAML file."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hwnas.errors import SpaceError
from hwnas.network import Network, Shape
from hwnas.spaces._base import SearchSpace
from hwnas.spaces._cardinality import Cardinality, cardinality_of
from hwnas.spaces._compile import Plan, compile_space
from hwnas.spaces._enumeration import RandomTrial
from hwnas.spaces._parameters import DeclaredParameter, Suggesting, Value, WidthParameter
from hwnas.spaces._sampling import Sampling
from hwnas.spaces._schema import SpaceFile
from hwnas.spaces._validation import validate
from hwnas.spaces._yaml import Document, read_document

PROBES: Final = 64


class DeclaredSpace(SearchSpace):
    """A space from a YAML file; docs/search-spaces.md describes the format.

    Args:
        path: The file.
        off_grid: Let parameters of type ``width`` go in steps of one instead of four or more, for
            experiments with what multiples of 4 bring. The space's name says so, since it is
            another space for a study. A search snaps channels unless told otherwise.

    Raises:
        SpaceError: The file is not a valid space (the message names line and key), or has no width
            that could leave the grid.

    Example:
        >>> from hwnas.spaces import load_space
        >>> load_space("lenet").reference("lenet").output_shape
        (10,)
    """

    def __init__(self, path: Path, *, off_grid: bool = False) -> None:
        document = read_document(path)
        self._file = validate(document, off_grid=off_grid)
        self._plan = compile_space(self._file, document)
        self._suffix = "_off_grid" if off_grid else ""
        if off_grid and not any(
            isinstance(parameter, WidthParameter) for parameter in self.parameters.values()
        ):
            raise document.error(
                ("parameters",),
                "expected a parameter of type width; without one nothing is off the grid",
            )
        self._points = _reference_points(self._file, self._plan, document)
        self._prove(document)

    @property
    def name(self) -> str:
        """The name that the file states, with ``_off_grid`` behind it where that was asked for."""
        return self._file.name + self._suffix

    @property
    def description(self) -> str:
        """What the file says about itself."""
        return self._file.description

    @property
    def input_shape(self) -> Shape:
        """Shape of every network's input, without the batch."""
        return tuple(self._file.input)

    @property
    def classes(self) -> int | None:
        """Length of every network's output; ``None`` where the file does not say."""
        return self._file.classes

    @property
    def parameters(self) -> Mapping[str, DeclaredParameter]:
        """Every parameter that a trial can be asked for, by the name it is asked under."""
        return self._plan.parameters

    @property
    def cardinality(self) -> Cardinality:
        """How many points the space has: exact, or a bound that says so."""
        return cardinality_of(self._plan, self._file.parameters)

    @property
    def references(self) -> tuple[str, ...]:
        """Names of the known networks that are points of this space."""
        return tuple(self._points)

    def reference_parameters(self, name: str) -> dict[str, Value]:
        """A reference as a point, for ``study.enqueue_trial``.

        Raises:
            SpaceError: The space has no reference of that name.
        """
        if name not in self._points:
            raise self._no_reference(name)
        return dict(self._points[name])

    def reference_description(self, name: str) -> str:
        """What the file says about a reference.

        Raises:
            SpaceError: The space has no reference of that name.
        """
        if name not in self._points:
            raise self._no_reference(name)
        return self._file.references[name].description.strip()

    def reference(self, name: str) -> Network:
        """A known network of this space.

        Raises:
            SpaceError: The space has no reference of that name.
        """
        return self.sample(_Point(self.reference_parameters(name)))

    def sample(self, trial: Suggesting) -> Network:
        """The network of a trial; see :meth:`SearchSpace.sample`."""
        return Sampling(self._file, trial).run(self._plan.steps)

    def _prove(self, document: Document) -> None:
        """Build every reference; without any, find one sample that makes a network."""
        for name in self._points:
            point = _Point(self.reference_parameters(name))
            path = ("references", name, "parameters")
            try:
                self.sample(point)
            except SpaceError as error:
                raise document.error(path, str(error)) from error
            if point.unasked:
                raise document.error(
                    path,
                    "expected only what the others ask for; never asked for: "
                    f"{', '.join(sorted(point.unasked))}",
                )
        if not self._points:
            self._find_a_network(document)

    def _find_a_network(self, document: Document) -> None:
        draw = random.Random(0)
        for left in reversed(range(PROBES)):
            try:
                self.sample(RandomTrial(draw))
                return
            except SpaceError as error:
                if not left:
                    raise document.error(
                        ("layers",),
                        f"expected networks; none of {PROBES} samples is one, the last: {error}",
                    ) from error


class _Point:
    """A trial whose parameters are given."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = values
        self.unasked = set(values)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        return int(self._take(name))

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return self._take(name)

    def _take(self, name: str) -> Value:
        if name not in self._values:
            raise SpaceError(f"expected parameter {name!r}, which is missing")
        self.unasked.discard(name)
        return self._values[name]


def _reference_points(
    file: SpaceFile, plan: Plan, document: Document
) -> dict[str, Mapping[str, Value]]:
    for name, reference in file.references.items():
        for parameter, value in reference.parameters.items():
            path = ("references", name, "parameters", parameter)
            domain = plan.parameters.get(parameter)
            if domain is None:
                known = ", ".join(plan.parameters) or "none"
                raise document.error(path, f"expected one of {known}; there is no such parameter")
            if not domain.contains(value):
                raise document.error(path, f"expected {domain}; found {value!r}")
    return {name: reference.parameters for name, reference in file.references.items()}
