"""Sums, differences, products and quotients; constants among their operands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from hwnas.keras_io._activations import single
from hwnas.keras_io._graph import Constant, Operation
from hwnas.keras_io._reading import Reading
from hwnas.network import MAX_JOINED, Operator, Shape, spreads

_NEUTRAL: Final = {Operator.ADD: 0.0, Operator.SUB: 0.0, Operator.MUL: 1.0}


def merged(reading: Reading, kind: Operator, inputs: Sequence[Operation]) -> Operation:
    """Add, Subtract and Multiply: the inputs combined from left to right."""
    if len(inputs) < 2:
        raise reading.unsupported(f"has {len(inputs)} inputs; two or more are supported")
    total = inputs[0]
    for i, x in enumerate(inputs[1:], start=2):
        total = _combined(reading, kind, total, x, "" if i == len(inputs) else f"_{i}")
    return reading.reshape(total, reading.shape, suffix="_shape")


def average(reading: Reading, inputs: Sequence[Operation]) -> Operation:
    """Average: a sum times a constant."""
    total = merged(reading, Operator.ADD, inputs)
    total.name += "_sum"
    return single(reading, Operator.MUL, total, 1 / len(inputs))


def concatenate(reading: Reading, inputs: Sequence[Operation]) -> Operation:
    """Concatenate along any axis but the batch."""
    rank, axis = len(inputs[0].shape), reading.layer.axis
    axis = axis if axis < 0 else axis - rank - 1
    if not -rank <= axis < 0:
        raise reading.unsupported(
            f"joins along axis {reading.layer.axis}, the batch; use one from 1 to {rank}"
        )
    if len(inputs) > MAX_JOINED:
        raise reading.unsupported(
            f"joins {len(inputs)} tensors; join at most {MAX_JOINED} at a time, then the results"
        )
    if len(inputs) == 1:
        return inputs[0]
    return reading.operation(Operator.CONCATENATION, *inputs, axis=axis)


def computed(reading: Reading, kind: Operator, operands: Sequence[Any]) -> Operation:
    """``x + y``, ``x - y`` or ``x * y``, of which one may be a constant."""
    first, second = operands
    if isinstance(first, Operation) and isinstance(second, Operation):
        return merged(reading, kind, [first, second])
    if isinstance(first, Operation):
        return _with_constant(reading, kind, first, np.asarray(second, np.float32))
    constant = np.asarray(first, np.float32)
    return _with_constant(reading, kind, second, constant, is_first=kind is Operator.SUB)


def divided(reading: Reading, operands: Sequence[Any]) -> Operation:
    """``x / c``, which the converter turns into a product."""
    first, second = operands
    if isinstance(second, Operation):
        raise reading.unsupported("divides by a tensor; multiply by what it is the reciprocal of")
    return _with_constant(reading, Operator.MUL, first, 1 / np.asarray(second, np.float32))


def rescaling(reading: Reading, x: Operation) -> Operation:
    """Rescaling: a product and a sum, of which the one that changes nothing is left out."""
    layer = reading.layer
    scale, offset = np.asarray(layer.scale, np.float32), np.asarray(layer.offset, np.float32)
    suffix = "_scale" if offset.any() else ""
    scaled = _with_constant(reading, Operator.MUL, x, scale, suffix)
    return _with_constant(reading, Operator.ADD, scaled, offset)


def batch_norm(reading: Reading, x: Operation) -> Operation:
    """BatchNormalization: a product and a sum with a value a channel.

    Weights are not looked at, so the values are unlike all others.
    """
    axis = reading.layer.axis
    if axis not in (-1, len(x.shape)):
        raise reading.unsupported(f"has axis {axis}; only the channels, axis -1, are supported")
    channels = x.shape[-1:]
    scaled = reading.operation(
        Operator.MUL, x, suffix="_scale", constant=Constant(channels, object(), 1)
    )
    return reading.operation(Operator.ADD, scaled, constant=Constant(channels, object(), 1))


def _combined(
    reading: Reading, kind: Operator, x: Operation, y: Operation, suffix: str = ""
) -> Operation:
    shapes = (x.shape, y.shape)
    larger = max(shapes, key=math.prod)
    if not all(spreads(shape, larger) for shape in shapes):
        raise reading.unsupported(
            f"combines tensors of shapes {shapes[0]} and {shapes[1]}; equal shapes are "
            "supported, or one value a channel, or a single one"
        )
    return reading.operation(kind, x, y, suffix=suffix)


def _with_constant(
    reading: Reading,
    kind: Operator,
    x: Operation,
    values: Any,
    suffix: str = "",
    *,
    is_first: bool = False,
) -> Operation:
    if not is_first and (values == _NEUTRAL[kind]).all():
        return x
    shape: Shape = values.shape
    if values.size == 1:
        value = float(values.reshape(()))
        constant = Constant((1,), value, values.ndim, value, is_first)
    elif values.size == shape[-1] == x.shape[-1]:
        constant = Constant(shape[-1:], values.tobytes(), values.ndim, is_first=is_first)
    elif shape[-len(x.shape) :] == x.shape and values.size == math.prod(x.shape):
        constant = Constant(x.shape, values.tobytes(), values.ndim, is_first=is_first)
    else:
        raise reading.unsupported(
            f"combines {x.shape} with a constant of shape {shape}; one of the same shape is "
            "supported, or one value a channel, or a single one"
        )
    return reading.operation(kind, x, suffix=suffix, constant=constant)
