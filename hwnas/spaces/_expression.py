"""Options of layers: literals, references to parameters, and small products of them."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import PydanticCustomError

from hwnas.network import MAX_DIMENSION
from hwnas.spaces._option_schema import MAX_FACTORS, NAME_PATTERN
from hwnas.spaces._parameters import Domain, Value, is_one_of, spell
from hwnas.spaces._yaml import MAX_SHOWN

Lookup = Callable[[str], Value]
Domains = Callable[[str], Domain]

CHANNELS: Final = "channels"
"""Stands for how many channels the entry reads."""
_REFERENCE: Final = re.compile(rf"\$({NAME_PATTERN})")
_OPERATOR: Final = re.compile(r"\s*(\*|//)\s*")


class Option(ABC):
    """The value of a layer's option, once the parameters are known."""

    @abstractmethod
    def references(self) -> Iterator[str]:
        """Names of the parameters that it reads."""

    @abstractmethod
    def resolve(self, lookup: Lookup) -> Any:
        """Its value; ``lookup`` gives a parameter's."""

    @abstractmethod
    def check(self, domains: Domains) -> None:
        """Hold all its possible values against what the layer takes.

        Raises:
            ValueError: Some value of a parameter would not do.
        """


@dataclass(frozen=True, slots=True)
class Expression(Option):
    """A whole number: a literal, ``$width``, ``$width * 2``, ``$width // 2 * $factor``.

    Evaluated from left to right; ``//`` rounds down.

    Attributes:
        text: As it was written.
        factors: Numbers and names, in order.
        operators: What stands between them.
        low: Smallest value that the layer takes.
        high: Largest value that the layer takes.
    """

    text: str
    factors: tuple[int | str, ...]
    operators: tuple[str, ...]
    low: int
    high: int

    def references(self) -> Iterator[str]:
        """Names of the parameters that it reads."""
        return (factor for factor in self.factors if isinstance(factor, str))

    def resolve(self, lookup: Lookup) -> int:
        """Its value."""
        value = self._value(self.factors[0], lookup)
        for operator, factor in zip(self.operators, self.factors[1:], strict=True):
            operand = self._value(factor, lookup)
            value = value * operand if operator == "*" else value // operand
        return value

    def bounds(self, domains: Domains) -> tuple[int, int]:
        """Smallest and largest possible value.

        Raises:
            ValueError: A parameter is no whole number, or could be a divisor of 0.
        """
        low, high = self._bounds(self.factors[0], domains)
        for operator, factor in zip(self.operators, self.factors[1:], strict=True):
            least, most = self._bounds(factor, domains)
            if operator == "*":
                low, high = low * least, high * most
            elif least < 1:
                raise ValueError(f"expected divisors of 1 or more; {self.text!r} could divide by 0")
            else:
                low, high = low // most, high // least
        return low, high

    def check(self, domains: Domains) -> None:
        """See :meth:`Option.check`."""
        low, high = self.bounds(domains)
        if CHANNELS in self.factors and low <= self.high and high >= self.low:
            return  # Only a sample tells.
        if low < self.low or high > self.high:
            found = f"{low}" if low == high else f"{low} to {high}"
            raise ValueError(f"expected {self.low} to {self.high}; {self.text!r} can be {found}")

    @staticmethod
    def _value(factor: int | str, lookup: Lookup) -> int:
        return factor if isinstance(factor, int) else int(lookup(factor))

    @staticmethod
    def _bounds(factor: int | str, domains: Domains) -> tuple[int, int]:
        if isinstance(factor, int):
            return factor, factor
        bounds = domains(factor).bounds()
        if bounds is None or bounds[0] < 0:
            raise ValueError(f"expected whole numbers of 0 or more; ${factor} is {domains(factor)}")
        return bounds


@dataclass(frozen=True, slots=True)
class Numbers(Option):
    """A tuple of whole numbers; one expression may stand in every place of a pair."""

    expressions: tuple[Expression, ...]
    repeat: int = 1

    def references(self) -> Iterator[str]:
        """Names of the parameters that it reads."""
        for expression in self.expressions:
            yield from expression.references()

    def resolve(self, lookup: Lookup) -> tuple[int, ...]:
        """Its value."""
        return tuple(expression.resolve(lookup) for expression in self.expressions) * self.repeat

    def check(self, domains: Domains) -> None:
        """See :meth:`Option.check`."""
        for expression in self.expressions:
            expression.check(domains)


@dataclass(frozen=True, slots=True)
class Selection(Option):
    """One of a few texts, or true or false: a literal or a ``$parameter``.

    Attributes:
        value: The literal, or the parameter's name.
        is_reference: Which of the two it is.
        allowed: What the layer takes.
    """

    value: Value
    is_reference: bool
    allowed: tuple[Value, ...]

    def references(self) -> Iterator[str]:
        """Names of the parameters that it reads."""
        return iter((str(self.value),) if self.is_reference else ())

    def resolve(self, lookup: Lookup) -> Value:
        """Its value."""
        return lookup(str(self.value)) if self.is_reference else self.value

    def check(self, domains: Domains) -> None:
        """See :meth:`Option.check`."""
        if self.is_reference:
            domain = domains(str(self.value))
            if not domain.is_within(self.allowed):
                raise ValueError(f"expected {spell(self.allowed)}; ${self.value} is {domain}")


def number(value: Any, *, low: int = 1, high: int = MAX_DIMENSION) -> Expression:
    """Read a whole number, ``$name`` or a product.

    Raises:
        PydanticCustomError: It is none of these, or a literal out of range.
    """
    if isinstance(value, Expression):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        if not low <= value <= high:
            raise _expected(f"a whole number from {low} to {high}", value)
        return Expression(str(value), (value,), (), low, high)
    wanted = f"a whole number from {low} to {high}, `$parameter`, or a product like `$width * 2`"
    if not isinstance(value, str):
        raise _expected(wanted, value)
    factors, operators = _tokens(value)
    if not factors or len(factors) > MAX_FACTORS:
        raise _expected(wanted, value)
    return Expression(value, factors, operators, low, high)


def pair(value: Any) -> Numbers:
    """Read one number for both axes, or ``[vertical, horizontal]``."""
    if isinstance(value, Numbers):
        return value
    if isinstance(value, list):
        if len(value) != 2:
            raise _expected("one number or a pair [vertical, horizontal]", value)
        return Numbers((number(value[0]), number(value[1])))
    return Numbers((number(value),), repeat=2)


def shape(value: Any) -> Numbers:
    """Read a shape of one to three axes."""
    if isinstance(value, Numbers):
        return value
    if not isinstance(value, list) or not 1 <= len(value) <= 3:
        raise _expected("a list of 1 to 3 numbers", value)
    return Numbers(tuple(number(axis) for axis in value))


def selection(value: Any, allowed: tuple[Value, ...]) -> Selection:
    """Read one of ``allowed``, or a ``$parameter`` whose values they are."""
    if isinstance(value, Selection):
        return value
    if isinstance(value, str) and (match := _REFERENCE.fullmatch(value)):
        return Selection(match[1], True, allowed)
    if not is_one_of(value, allowed):
        raise _expected(f"{spell(allowed)}, or a `$parameter` of these", value)
    return Selection(value, False, allowed)


def _tokens(text: str) -> tuple[tuple[int | str, ...], tuple[str, ...]]:
    """Factors and operators of a product, both empty where the text is none."""
    parts = _OPERATOR.split(text.strip())
    factors: list[int | str] = []
    for part in parts[::2]:
        if match := _REFERENCE.fullmatch(part):
            factors.append(match[1])
        elif re.fullmatch(r"[0-9]{1,5}", part):
            factors.append(int(part))
        else:
            return (), ()
    return tuple(factors), tuple(parts[1::2])


def _expected(wanted: str, found: Any) -> PydanticCustomError:
    return PydanticCustomError(
        "option",
        "expected {wanted}; found {found}",
        {"wanted": wanted, "found": repr(found)[:MAX_SHOWN]},
    )
