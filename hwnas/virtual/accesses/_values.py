"""What a register holds, in terms of what there was when the block was entered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

_MASK: Final = 0xFFFF_FFFF


class Operator(IntEnum):
    """How two words make one."""

    MULTIPLY = 0
    AND = 1
    OR = 2
    EXCLUSIVE_OR = 3
    SHIFT_LEFT = 4
    SHIFT_RIGHT = 5
    SHIFT_RIGHT_SIGNED = 6


@dataclass(frozen=True, slots=True)
class Register:
    """The value of a register at the entry.

    Attributes:
        number: As unicorn and capstone number it.
    """

    number: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """A value in memory at the entry.

    Attributes:
        address: Where.
        size: In bytes.
        signed: Whether it is extended with its sign.
    """

    address: Value
    size: int
    signed: bool


@dataclass(frozen=True, slots=True)
class Computed:
    """Made of two values.

    Attributes:
        operator: How.
        left: Of one.
        right: And another.
    """

    operator: Operator
    left: Value
    right: Value


Source = Register | Loaded | Computed


@dataclass(frozen=True, slots=True)
class Value:
    """A sum of sources with factors, and a constant, modulo 2^32.

    Attributes:
        terms: Sources with their factors, each source once.
        constant: From 0 to 2^32 - 1.
    """

    terms: tuple[tuple[Source, int], ...] = ()
    constant: int = 0

    @classmethod
    def of(cls, source: Source) -> Self:
        """The value of a source alone."""
        return cls(((source, 1),))

    @property
    def is_constant(self) -> bool:
        """Whether nothing is added to the constant."""
        return not self.terms

    def plus(self, other: Value, factor: int = 1) -> Value:
        """This one and a multiple of another one."""
        terms = dict(self.terms)
        for source, times in other.terms:
            terms[source] = (terms.get(source, 0) + times * factor) & _MASK
        kept = tuple((source, times) for source, times in terms.items() if times)
        return Value(kept, (self.constant + other.constant * factor) & _MASK)

    def times(self, factor: int) -> Value:
        """A multiple of this one."""
        return Value().plus(self, factor)


def constant(number: int) -> Value:
    """The value of a number."""
    return Value((), number & _MASK)


def computed(operator: Operator, left: Value | None, right: Value | None) -> Value | None:
    """What two values make, simplified where that is easy; unknown where one of them is."""
    if left is None or right is None:
        return None
    if right.is_constant:
        if operator is Operator.MULTIPLY:
            return left.times(right.constant)
        if operator is Operator.SHIFT_LEFT:
            return left.times(calculate(operator, 1, right.constant))
        if left.is_constant:
            return constant(calculate(operator, left.constant, right.constant))
    elif left.is_constant and operator is Operator.MULTIPLY:
        return right.times(left.constant)
    return Value.of(Computed(operator, left, right))


def calculate(operator: Operator, left: int, right: int) -> int:
    """What two words make, as the compiled evaluation makes it."""
    if operator is Operator.MULTIPLY:
        return left * right & _MASK
    if operator is Operator.AND:
        return left & right
    if operator is Operator.OR:
        return left | right
    if operator is Operator.EXCLUSIVE_OR:
        return left ^ right
    shift = min(right & 0xFF, 32)
    if operator is Operator.SHIFT_LEFT:
        return left << shift & _MASK
    if operator is Operator.SHIFT_RIGHT:
        return left >> shift
    return ((left ^ 1 << 31) - (1 << 31)) >> shift & _MASK
