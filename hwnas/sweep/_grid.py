"""Layers of one operator over ranges of their numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from hwnas.errors import NetworkError
from hwnas.network import (
    DType,
    Layer,
    Operator,
    average_pool2d,
    conv2d,
    dense,
    depthwise_conv2d,
    max_pool2d,
)
from hwnas.sweep._layers import WantedLayers

MOST_NUMBERS: Final = 65_536
_OPERATORS: Final = (
    Operator.CONV2D,
    Operator.DEPTHWISE_CONV2D,
    Operator.DENSE,
    Operator.MAX_POOL2D,
    Operator.AVERAGE_POOL2D,
)
_RANGE: Final = re.compile(r"(\d+)(?::(\d+))?(?::(\d+))?")


def parse_numbers(text: str) -> tuple[int, ...]:
    """Whole numbers from a list of numbers and ranges; both ends of a range belong to it.

    Raises:
        NetworkError: The text is none, or names too many.

    Example:
        >>> parse_numbers("1:4,8"), parse_numbers("8:32:8")
        ((1, 2, 3, 4, 8), (8, 16, 24, 32))
    """
    numbers: list[int] = []
    for part in text.split(","):
        found = _RANGE.fullmatch(part.strip())
        if found is None or len(part) > 32:
            raise NetworkError(f"{part.strip()!r}: expected a number, low:high or low:high:step")
        low = int(found[1])
        high, step = int(found[2] or low), int(found[3] or 1)
        if step < 1 or high < low or len(numbers) + (high - low) // step >= MOST_NUMBERS:
            raise NetworkError(
                f"{part.strip()!r}: low must not exceed high, the step must be 1 or more, and at "
                f"most {MOST_NUMBERS} numbers are taken"
            )
        numbers += range(low, high + 1, step)
    return tuple(dict.fromkeys(numbers))


@dataclass(frozen=True, slots=True)
class Grid:
    """Ranges of one operator's numbers.

    Attributes:
        operator: conv2d, depthwise_conv2d, dense, max_pool2d or average_pool2d.
        in_channels: Input channels; the inputs of a dense layer.
        out_channels: Output channels of a convolution or dense layer.
        kernels: Sides of square windows.
        sizes: Sides of square feature maps.
        strides: Steps of the window.
        padding: ``same`` or ``valid``.
        activation: Fused activation.
        dtype: Of activations and weights.
    """

    operator: Operator
    in_channels: tuple[int, ...]
    out_channels: tuple[int, ...] = (1,)
    kernels: tuple[int, ...] = (1,)
    sizes: tuple[int, ...] = (1,)
    strides: tuple[int, ...] = (1,)
    padding: str = "same"
    activation: str = "relu"
    dtype: DType = DType.INT8


def grid_layers(grid: Grid) -> WantedLayers:
    """Every layer of a grid; combinations that make no layer are passed over.

    Raises:
        NetworkError: The operator has no grid, or no combination makes a layer.

    Example:
        >>> grid = Grid(Operator.DENSE, in_channels=(8, 9), out_channels=(4,))
        >>> [layer.describe() for layer in grid_layers(grid).layers]
        ['dense 8 -> 4', 'dense 9 -> 4']
    """
    if grid.operator not in _OPERATORS:
        known = ", ".join(_OPERATORS)
        raise NetworkError(f"{grid.operator} has no grid; those that have one: {known}")
    layers: dict[Layer, None] = {}
    reason: NetworkError | None = None
    points = product(grid.sizes, grid.kernels, grid.strides, grid.out_channels, grid.in_channels)
    for size, kernel, stride, filters, channels in points:
        try:
            layers[_layer(grid, size, kernel, stride, filters, channels)] = None
        except NetworkError as error:
            reason = error
    if not layers:
        raise NetworkError(f"{grid.operator}: no combination makes a layer: {reason}")
    return WantedLayers(tuple(layers), 0, 1.0)


def _layer(grid: Grid, size: int, kernel: int, stride: int, filters: int, channels: int) -> Layer:
    shape = (size, size, channels)
    window: dict[str, Any] = {"strides": stride, "padding": grid.padding, "dtype": grid.dtype}
    fused: dict[str, Any] = {"activation": grid.activation}
    match grid.operator:
        case Operator.CONV2D:
            return conv2d(shape, filters, kernel, **window, **fused)
        case Operator.DEPTHWISE_CONV2D:
            return depthwise_conv2d(shape, kernel, **window, **fused)
        case Operator.MAX_POOL2D:
            return max_pool2d(shape, kernel, **window)
        case Operator.AVERAGE_POOL2D:
            return average_pool2d(shape, kernel, **window)
        case _:
            return dense((channels,), filters, dtype=grid.dtype, **fused)
