"""Arithmetic of shapes: padding, and windows that slide along an axis."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hwnas.errors import NetworkError
from hwnas.network._operators import Operator, Pair, Shape


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> Pair:
    """Zeros before and after an axis under TensorFlow's ``"same"`` rule.

    Example:
        >>> same_padding(28, 3, 2)
        (0, 1)
    """
    out = -(-size // stride)
    total = max((out - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def slide(size: int, kernel: int, stride: int, dilation: int, pads: Pair) -> tuple[int, Pair]:
    """Outputs along an axis, and the padding without what no window reads at the far end."""
    reach = (kernel - 1) * dilation + 1
    out = (size + sum(pads) - reach) // stride + 1
    needed = max((out - 1) * stride + reach - size - pads[0], 0)
    return out, (pads[0], needed)


def is_int(value: object) -> bool:
    """Whether a value is a whole number; true and false are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def as_pair(value: int | Pair) -> Pair:
    """One number for both axes, or two of them.

    Raises:
        NetworkError: It is neither.
    """
    if isinstance(value, int):
        return value, value
    if not isinstance(value, Sequence) or len(value) != 2 or not all(map(is_int, value)):
        raise NetworkError(f"{value!r} must be a whole number or two of them")
    return value[0], value[1]


def feature_map(operator: Operator, shape: Shape) -> tuple[int, int, int]:
    """Height, width and channels of an input.

    Raises:
        NetworkError: It has not three axes.
    """
    if len(shape) != 3:
        raise NetworkError(f"{operator}: input {shape} is no (height, width, channels)")
    return shape[0], shape[1], shape[2]


def as_vector(shape: Shape) -> Shape:
    """A shape that is long along its last axis alone, without the others; any other as it is.

    Example:
        >>> as_vector((1, 1, 4)), as_vector((1, 8, 4))
        ((4,), (1, 8, 4))
    """
    return shape[-1:] if shape and math.prod(shape) == shape[-1] else shape


def spreads(shape: Shape, larger: Shape) -> bool:
    """Whether an operand is as large as the other, a vector of its channels, or a single value.

    Example:
        >>> spreads((4,), (2, 2, 4)), spreads((2, 1, 4), (2, 2, 4))
        (True, False)
    """
    elements = math.prod(shape)
    return shape == larger or elements == 1 or elements == shape[-1] == larger[-1]


def largest(shapes: Sequence[Shape]) -> Shape:
    """The shape that the others spread over: of most elements, and of those of most axes.

    Example:
        >>> largest([(4,), (1, 1, 4)])
        (1, 1, 4)
    """
    return max(shapes, key=lambda shape: (math.prod(shape), len(shape)))
