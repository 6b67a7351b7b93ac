"""Checks a space file as a whole and makes the steps that sampling follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hwnas.network import MAX_NODES
from hwnas.spaces._constants import Channels, Constant
from hwnas.spaces._expression import CHANNELS, Expression, Option
from hwnas.spaces._parameters import DeclaredParameter, Domain, Value
from hwnas.spaces._schema import Item, LayerOptions, Repeat, SpaceFile
from hwnas.spaces._yaml import Document, KeyPath

CLASSES: Final = "classes"
INPUT: Final = "input"
PREVIOUS: Final = "previous"
MAX_ENTRIES: Final = 4 * MAX_NODES
"""Entries of a space with every repeat at its longest, alternatives counted side by side."""
MAX_PARAMETERS: Final = 1_024


@dataclass(frozen=True, slots=True)
class Step:
    """An entry of a list of layers, ready to be followed.

    Attributes:
        path: Where it stands in the file.
        operator: As :func:`hwnas.spaces._layers.layer_of` takes it, or ``block`` or ``repeat``.
        fixed: Names and values of options that are the same in all samples.
        options: The others by name.
        when: Parameters and the values with which the entry is there.
        takes: Name of the value that it reads; empty for the one before.
        named: Name of its output; may be empty.
        adds: Names of the two summands of ``add``.
        times: How often ``steps`` are followed.
        longest: Largest value of ``times``.
        parameters: Those that each repeat has for itself.
        steps: Of a block or repeat.
    """

    path: KeyPath
    operator: str
    fixed: tuple[tuple[str, Any], ...] = ()
    options: tuple[tuple[str, Option], ...] = ()
    when: tuple[tuple[str, tuple[Value, ...]], ...] = ()
    takes: str = ""
    named: str = ""
    adds: tuple[str, ...] = ()
    times: Expression | None = None
    longest: int = 1
    parameters: Mapping[str, DeclaredParameter] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked space.

    Attributes:
        steps: What sampling follows.
        parameters: Every parameter that a trial can be asked for, by the name it is asked under.
    """

    steps: tuple[Step, ...]
    parameters: Mapping[str, DeclaredParameter]


def compile_space(file: SpaceFile, document: Document) -> Plan:
    """Check what the schema alone cannot see.

    Raises:
        SpaceError: A name is unknown, stands twice or is never used, a parameter's values do not
            suit the option that reads it, or the space is too large.
    """
    compiler = _Compiler(file, document)
    steps = compiler.steps(file.layers, ("layers",))
    compiler.refuse_unused(file.parameters, ("parameters",))
    _check_size(steps, document)
    return Plan(steps, _expand(file, steps, document))


class _Compiler:
    def __init__(self, file: SpaceFile, document: Document) -> None:
        self._document = document
        self._used: set[str] = set()
        self._values = {INPUT, PREVIOUS}
        self._domains: dict[str, Domain] = {CHANNELS: Channels()}
        if file.classes is not None:
            self._domains[CLASSES] = Constant(file.classes)
        self._declare(file.parameters, ("parameters",))

    def steps(self, items: Sequence[Item], path: KeyPath) -> tuple[Step, ...]:
        return tuple(self._step(item, (*path, i)) for i, item in enumerate(items))

    def refuse_unused(self, names: Mapping[str, object], path: KeyPath) -> None:
        for name in names:
            if name not in self._used:
                raise self._document.error(
                    (*path, name), "expected something that reads this parameter; it is never used"
                )

    def _step(self, item: Item, path: KeyPath) -> Step:
        operator = item.operator
        body: Step
        self._check_conditions(item, path)
        if item.takes is not None:
            self._check_value(item.takes, (*path, "from"))
        if item.repeat is not None:
            body = self._repeat(item.repeat, (*path, "repeat"))
        elif item.block is not None:
            body = Step(path, operator, steps=self.steps(item.block, (*path, "block")))
        else:
            body = self._layer(getattr(item, operator), operator, path)
        if item.named is not None:
            if item.named in (INPUT, PREVIOUS):
                raise self._document.error(
                    (*path, "as"), f"expected another name; {item.named!r} has a meaning already"
                )
            self._values.add(item.named)
        return Step(
            path,
            operator,
            fixed=body.fixed,
            options=body.options,
            when=tuple(item.when.items()),
            takes=item.takes or "",
            named=item.named or "",
            adds=body.adds,
            times=body.times,
            longest=body.longest,
            parameters=body.parameters,
            steps=body.steps,
        )

    def _layer(self, layer: LayerOptions, operator: str, path: KeyPath) -> Step:
        options = layer.options()
        for name, option in options.items():
            self._check_option(option, (*path, operator, name))
        adds: tuple[str, ...] = tuple(getattr(layer, "inputs", ()))
        for name in adds:
            self._check_value(name, (*path, operator))
        fixed = {
            name: o.resolve(_unknown) for name, o in options.items() if not any(o.references())
        }
        chosen = tuple((name, o) for name, o in options.items() if name not in fixed)
        return Step(path, operator, fixed=tuple(fixed.items()), options=chosen, adds=adds)

    def _repeat(self, repeat: Repeat, path: KeyPath) -> Step:
        self._check_option(repeat.times, (*path, "times"))
        if CHANNELS in repeat.times.factors:
            raise self._document.error(
                (*path, "times"), f"expected numbers and parameters; ${CHANNELS} is {Channels()}"
            )
        self._declare(repeat.parameters, (*path, "parameters"))
        steps = self.steps(repeat.layers, (*path, "layers"))
        self.refuse_unused(repeat.parameters, (*path, "parameters"))
        longest = repeat.times.bounds(self._domains.__getitem__)[1]
        for name in repeat.parameters:
            del self._domains[name]
            self._used.discard(name)
        return Step(
            path,
            "repeat",
            times=repeat.times,
            longest=longest,
            parameters=repeat.parameters,
            steps=steps,
        )

    def _declare(self, parameters: Mapping[str, DeclaredParameter], path: KeyPath) -> None:
        for name, parameter in parameters.items():
            if name in self._domains or name == CLASSES:
                raise self._document.error(
                    (*path, name), f"expected another name; {name!r} has a meaning already"
                )
            self._domains[name] = parameter

    def _check_conditions(self, item: Item, path: KeyPath) -> None:
        for name, values in item.when.items():
            where = (*path, "when", name)
            domain = self._domain(name, where)
            for value in values:
                if not domain.contains(value):
                    raise self._document.error(
                        where,
                        f"expected a value that {name} can have: it is {domain}, never {value!r}",
                    )

    def _check_option(self, option: Option, path: KeyPath) -> None:
        for name in option.references():
            self._domain(name, path)
        try:
            option.check(self._domains.__getitem__)
        except ValueError as error:
            raise self._document.error(path, str(error)) from error

    def _check_value(self, name: str, path: KeyPath) -> None:
        if name not in self._values:
            known = ", ".join(sorted(self._values))
            raise self._document.error(
                path,
                f"expected the name of an entry before this one (`as`): {known}; found {name!r}",
            )

    def _domain(self, name: str, path: KeyPath) -> Domain:
        self._used.add(name)
        try:
            return self._domains[name]
        except KeyError:
            known = ", ".join(sorted(self._domains)) or "none"
            raise self._document.error(
                path, f"expected a name that is known here: {known}; found {name!r}"
            ) from None


def _unknown(name: str) -> Value:
    raise AssertionError(f"{name} is read by an option that reads nothing")


def _check_size(steps: tuple[Step, ...], document: Document) -> None:
    entries = _entries(steps)
    if entries > MAX_ENTRIES:
        raise document.error(
            ("layers",), f"expected at most {MAX_ENTRIES} entries; found up to {entries}"
        )


def _entries(steps: tuple[Step, ...]) -> int:
    # Each counts itself: what is never repeated (`times: 0`) is gone through nonetheless.
    return sum(1 + step.longest * _entries(step.steps) for step in steps)


def _expand(
    file: SpaceFile, steps: tuple[Step, ...], document: Document
) -> dict[str, DeclaredParameter]:
    expanded = dict(file.parameters)

    def visit(inner: tuple[Step, ...], suffix: str) -> None:
        for step in inner:
            for turn in range(step.longest if step.operator == "repeat" else 1):
                ending = f"{suffix}_{turn + 1}" if step.operator == "repeat" else suffix
                for name, parameter in step.parameters.items():
                    full = f"{name}{ending}"
                    if full in expanded:
                        raise document.error(
                            (*step.path, "repeat", "parameters", name),
                            f"expected another name; repeats would ask for {full!r}, which is "
                            "there already",
                        )
                    expanded[full] = parameter
                visit(step.steps, ending)
        if len(expanded) > MAX_PARAMETERS:
            raise document.error(
                ("layers",), f"expected at most {MAX_PARAMETERS} parameters; repeats ask for more"
            )

    visit(steps, "")
    return expanded
