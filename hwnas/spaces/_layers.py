"""Layers as entries of a space describe them, each made once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, Final

from hwnas import network
from hwnas.network import Layer, Operator, Shape

REMEMBERED: Final = 1 << 14
"""Layers; a few megabytes. Samples of one space have most of their layers in common."""


def _flatten(shape: Shape) -> Layer:
    return network.reshape(shape, (math.prod(shape),))


_CONSTRUCTORS: Final[Mapping[str, Callable[..., Layer]]] = {
    "add": partial(network.binary, Operator.ADD),
    "flatten": _flatten,
    "sigmoid": network.logistic,
}
"""Of operators for which :mod:`hwnas.network` has no constructor of the same name."""


@lru_cache(maxsize=REMEMBERED)
def layer_of(
    operator: str, inputs: tuple[Shape, ...], options: tuple[tuple[str, Any], ...]
) -> Layer:
    """The layer of an entry; making and checking it is most of what a sample costs.

    Args:
        operator: As space files call it.
        inputs: Shapes of what it reads.
        options: Names and values.

    Raises:
        NetworkError: There is no such layer.

    Example:
        >>> layer_of("conv2d", ((8, 8, 1),), (("filters", 4), ("kernel_size", 3))).output_shape
        (8, 8, 4)
    """
    make = _CONSTRUCTORS.get(operator) or getattr(network, operator)
    layer: Layer = make(*inputs, **dict(options))
    return layer
