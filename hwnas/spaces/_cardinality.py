"""How many points a declared space has."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from hwnas.spaces._compile import Plan, Step
from hwnas.spaces._parameters import DeclaredParameter, Value
from hwnas.spaces._yaml import KeyPath

MOST_WORK: Final = 20_000
"""Where counting takes more steps, a bound has to do: well below a second."""
_WRITTEN_OUT: Final = 10**9


@dataclass(frozen=True, slots=True)
class Cardinality:
    """How many points a space has: choices of all that a trial is asked for.

    Different points may make equal networks, all the more once channels are snapped, and a point
    may make none.

    Attributes:
        points: The number, or a bound of it.
        exact: Whether it is the number; else there are at most so many.

    Example:
        >>> from hwnas.spaces import load_space
        >>> str(load_space("autoencoder").cardinality)
        '1.59e+15'
        >>> str(Cardinality(1_000, exact=False))
        'at most 1,000'
    """

    points: int
    exact: bool

    def __str__(self) -> str:
        # A float would not hold the larger ones.
        few = self.points < _WRITTEN_OUT
        number = f"{self.points:,}" if few else f"{Decimal(self.points):.2e}"
        return number if self.exact else f"at most {number}"


def cardinality_of(plan: Plan, parameters: Mapping[str, DeclaredParameter]) -> Cardinality:
    """Count the points of a space.

    All samples go through the entries together: of those that do not differ in anything that a
    later entry depends on, only the number is kept. So it takes time by conditions, not by points.

    Args:
        plan: The space.
        parameters: Those that are declared for the whole space.
    """
    try:
        points = _Counting(plan.steps, parameters).points()
    except _TooMuchWorkError:
        # Each of them has one of its values, or is not asked for.
        most = math.prod(1 + parameter.count for parameter in plan.parameters.values())
        return Cardinality(most, exact=False)
    return Cardinality(points, exact=True)


class _TooMuchWorkError(Exception):
    """Too many samples differ in what entries depend on."""


_Choice = Value | None
"""A value that some entry depends on; ``None`` for any other value."""
_State = frozenset[tuple[str, _Choice]]
"""What samples were asked for so far, of what is read again."""
_States = Counter[_State]
"""How many samples are in each state."""


class _Counting:
    """One walk of all samples over a space's steps."""

    def __init__(
        self, steps: tuple[Step, ...], parameters: Mapping[str, DeclaredParameter]
    ) -> None:
        self._steps = steps
        self._parameters = dict(parameters)
        self._told_apart: dict[str, set[tuple[type, Value]]] = {}
        self._counted: set[str] = set()
        self._reads: dict[KeyPath, frozenset[str]] = {}
        self._work = 0
        self._note(steps)

    def points(self) -> int:
        return self._follow(self._steps, Counter({frozenset(): 1}), frozenset()).total()

    def _note(self, steps: tuple[Step, ...]) -> frozenset[str]:
        """What entries read, and which values they depend on."""
        everything = set[str]()
        for step in steps:
            reads = {name for _, option in step.options for name in option.references()}
            for name, values in step.when:
                reads.add(name)
                self._told_apart.setdefault(name, set()).update((type(v), v) for v in values)
            if step.times is not None:
                reads.update(step.times.references())
                self._counted.update(step.times.references())
            self._reads[step.path] = self._note(step.steps) | reads
            everything |= self._reads[step.path]
        return frozenset(everything)

    def _follow(self, steps: tuple[Step, ...], states: _States, later: frozenset[str]) -> _States:
        """The states behind some steps; ``later`` is read after all of them."""
        for i, step in enumerate(steps):
            needed = later.union(*(self._reads[after.path] for after in steps[i + 1 :]))
            there, passed = self._sort(step, states)
            states = self._enter(step, there, needed)
            states.update(passed)
            states = _kept(states, needed)
        return states

    def _sort(self, step: Step, states: _States) -> tuple[_States, _States]:
        """The states with which an entry is there, and the others.

        A condition is looked at only where those before it hold, as in a sample.
        """
        passed = _States()
        for name, values in step.when:
            there = _States()
            for state, count in self._ask(name, states).items():
                (there if dict(state)[name] in values else passed)[state] += count
            states = there
        return states, passed

    def _enter(self, step: Step, states: _States, later: frozenset[str]) -> _States:
        for _, option in step.options:
            states = self._ask_all(option.references(), states)
        if step.operator == "repeat":
            return self._repeat(step, states, later)
        return self._follow(step.steps, states, later)

    def _repeat(self, step: Step, states: _States, later: frozenset[str]) -> _States:
        assert step.times is not None
        # Only now: elsewhere the same name may stand for something else.
        self._parameters.update(step.parameters)
        # The next turn reads the same, but for what each turn asks anew.
        later = (later | self._reads[step.path]) - step.parameters.keys()
        states = self._ask_all(step.times.references(), states)
        over, turn = _States(), 0
        while states:
            ending = [s for s in states if step.times.resolve(_reader(s)) == turn]
            for state in ending:
                over[state] += states.pop(state)
            states = self._follow(step.steps, states, later)
            turn += 1
        return over

    def _ask_all(self, names: Iterable[str], states: _States) -> _States:
        for name in names:
            states = self._ask(name, states)
        return states

    def _ask(self, name: str, states: _States) -> _States:
        if name not in self._parameters:
            return states  # a constant, or the channels
        asked = _States()
        for state, count in states.items():
            self._work += 1
            if any(name == known for known, _ in state):
                asked[state] += count
                continue
            for choice, ways in self._choices(name):
                asked[state | {(name, choice)}] += count * ways
        return asked

    def _choices(self, name: str) -> list[tuple[_Choice, int]]:
        """What a parameter can be, as far as entries depend on it, and in how many ways."""
        parameter = self._parameters[name]
        apart: Collection[Value] = parameter.choices
        if name not in self._counted:
            told = self._told_apart.get(name, ())
            apart = [value for _, value in told if parameter.contains(value)]
        self._work += len(apart)
        if self._work > MOST_WORK:
            raise _TooMuchWorkError
        choices: list[tuple[_Choice, int]] = [(value, 1) for value in apart]
        others = parameter.count - len(apart)
        return [*choices, (None, others)] if others else choices


def _reader(state: _State) -> Callable[[str], Value]:
    chosen = dict(state)

    def read(name: str) -> Value:
        value = chosen[name]
        assert value is not None  # All values of what is counted are told apart.
        return value

    return read


def _kept(states: _States, needed: frozenset[str]) -> _States:
    """The states without what is never read again."""
    kept = _States()
    for state, count in states.items():
        kept[frozenset(choice for choice in state if choice[0] in needed)] += count
    return kept
