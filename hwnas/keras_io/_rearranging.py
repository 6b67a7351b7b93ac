"""Layers that compute nothing: other views of the same bytes, and zeros around them."""

from __future__ import annotations

from hwnas.keras_io._graph import Operation, Transient
from hwnas.keras_io._reading import Reading
from hwnas.network import Operator


def reshape(reading: Reading, x: Operation) -> Operation:
    """Flatten, Reshape, and what adds or removes axes of length 1."""
    return reading.operation(Operator.RESHAPE, x, output_shape=reading.shape)


def permute(reading: Reading, x: Operation) -> Operation:
    """Permute, where only axes of length 1 change places."""
    order = [axis for axis in reading.layer.dims if x.shape[axis - 1] > 1]
    if order != sorted(order):
        raise reading.unsupported(
            f"moves the elements of {x.shape} in memory, dims {tuple(reading.layer.dims)}; feed "
            "the model data in the order that it needs, or Reshape where an axis has length 1"
        )
    return reshape(reading, x)


def zero_padding_2d(reading: Reading, x: Operation) -> Operation:
    """ZeroPadding2D, which a convolution after it may take up."""
    (top, bottom), (left, right) = reading.layer.padding
    made = reading.operation(Transient.ZERO_PADDING, x, padding=(top, left, bottom, right))
    made.shape = reading.shape
    return made


def zero_padding_1d(reading: Reading, x: Operation) -> Operation:
    """ZeroPadding1D, which the converter leaves an operator of its own."""
    left, right = reading.layer.padding
    if not left and not right:
        return x
    made = reading.operation(Operator.PAD, reading.as_rows(x), padding=(0, left, 0, right))
    return reading.reshape(made, reading.shape, suffix="_steps")
