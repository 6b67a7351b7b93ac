"""A layer with a channel more or less."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from hwnas.errors import NetworkError
from hwnas.network import MAX_DIMENSION, PARAMETRIC, Layer, Operator, Shape
from hwnas.snapping import with_shapes

_TOGETHER: Final = 4
"""So many channels the kernels with DSP instructions take at once."""


class Channels(StrEnum):
    """Which channel count of a layer is varied, all else held."""

    OUTPUT = "output"
    """What a convolution or dense layer makes: its filters or units."""
    INPUT = "input"
    """What a convolution or dense layer reads: what the layers before it make."""
    BOTH = "both"
    """Of operators that make of each channel another, or several: they cannot be told apart."""


def next_multiple(channels: int) -> int:
    """The next multiple of 4 above.

    Example:
        >>> [next_multiple(n) for n in (1, 7, 8)]
        [4, 8, 12]
    """
    return (channels // _TOGETHER + 1) * _TOGETHER


def varied_channels(layer: Layer) -> dict[Channels, int]:
    """The channel counts of a layer that can be varied by themselves, as they are.

    Neither those of a grouped convolution, which its groups must divide, nor those of a
    concatenation of channels, which has one for each input, can.
    """
    if layer.operator in (Operator.CONV2D, Operator.DENSE):
        if layer.groups != 1:
            return {}
        return {Channels.OUTPUT: layer.output_shape[-1], Channels.INPUT: layer.input_shape[-1]}
    if layer.is_free or (layer.operator is Operator.CONCATENATION and layer.axis == -1):
        return {}
    return {Channels.BOTH: _own_channels(layer)}


def with_channels(layer: Layer, which: Channels, count: int) -> Layer:
    """The same layer with another channel count.

    Raises:
        NetworkError: There is no such layer: a count is out of range.
    """
    inputs, output = layer.input_shapes, layer.output_shape
    if which is not Channels.OUTPUT:
        # What is spread over the channels, a single value for all of them, stays.
        own = _own_channels(layer)
        inputs = tuple(_with_last(s, count) if s[-1] == own else s for s in inputs)
    if which is Channels.OUTPUT:
        output = _with_last(output, count)
    elif which is Channels.BOTH:
        output = _with_last(output, count * layer.depth_multiplier)
    return with_shapes(layer, inputs, output)


def neighbours(layer: Layer, which: Channels) -> dict[int, Layer]:
    """The layer with one channel less, as it is, one more, and the next multiple of 4 above.

    Returns:
        By channel count, ascending; those that cannot be are left out.
    """
    count = varied_channels(layer)[which]
    wanted = {count - 1, count, count + 1, next_multiple(count)}
    found = {}
    for channels in sorted(wanted):
        if 1 <= channels <= MAX_DIMENSION:
            try:
                found[channels] = with_channels(layer, which, channels)
            except NetworkError:
                continue  # More elements, or more outputs of each channel, than there can be.
    return found


def _own_channels(layer: Layer) -> int:
    """What a layer reads where that decides, else what it makes: a sum may spread its input."""
    if layer.operator in PARAMETRIC:
        return layer.input_shape[-1]
    return layer.output_shape[-1]


def _with_last(shape: Shape, count: int) -> Shape:
    return (*shape[:-1], count)
