"""Activations: layers of their own, arguments of other layers, and functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from hwnas.keras_io._graph import Constant, Operation
from hwnas.keras_io._reading import Reading
from hwnas.network import Operator

SIXTH: Final = 1 / 6
"""What a hard sigmoid multiplies by."""
THREE: Final = 3.0
"""What a hard sigmoid adds."""

_USUAL_SLOPE: Final = 0.2
"""Of ``activation="leaky_relu"``."""

Read = Callable[[Reading, Operation], Operation]


def activated(reading: Reading, x: Operation, function: Any) -> Operation:
    """``x`` with a layer's ``activation``, which may be a layer itself."""
    if isinstance(function, reading.keras.layers.Layer):
        # At run time, as these readers are among those of the layers.
        from hwnas.keras_io._layers import read_operation

        return read_operation(reading.keras, function, [x], x.shape)
    name = getattr(function, "__name__", type(function).__name__)
    own = getattr(reading.keras.activations, name, None) is function
    if not own or name not in _BY_NAME:
        raise reading.unsupported(
            f"has the activation {name}; use one of {', '.join(sorted(_BY_NAME))}"
        )
    return _BY_NAME[name](reading, x)


def activation_layer(reading: Reading, x: Operation) -> Operation:
    """Activation."""
    return activated(reading, x, reading.layer.activation)


def softmax(reading: Reading, x: Operation) -> Operation:
    """Softmax over the last axis."""
    axis = getattr(reading.layer, "axis", -1)
    if axis not in (-1, len(x.shape)):
        raise reading.unsupported(f"has axis {axis}; only the last, -1, is supported")
    return _softmax(reading, x)


def relu_layer(reading: Reading, x: Operation) -> Operation:
    """ReLU with its parameters, as a layer or a function."""
    layer = reading.layer
    slope, most = float(layer.negative_slope or 0), layer.max_value
    if layer.threshold or most not in (None, 6) or (slope and most is not None):
        raise reading.unsupported(
            f"has max_value {most}, negative_slope {layer.negative_slope}, threshold "
            f"{layer.threshold}; use ReLU(), ReLU(max_value=6) or LeakyReLU()"
        )
    if slope:
        return leaky_relu(reading, x)
    return relu(reading, x) if most is None else relu6(reading, x)


def _of(kind: Operator) -> Read:
    def read(reading: Reading, x: Operation) -> Operation:
        return reading.operation(kind, x, suffix=_suffix(reading, x, kind))

    return read


def _suffix(reading: Reading, x: Operation, kind: Operator) -> str:
    """Tells an activation from the layer that it is an argument of."""
    own = reading.layer.name
    return f"_{kind}" if x.name in (own, f"{own}_steps") else ""


relu: Final = _of(Operator.RELU)
relu6: Final = _of(Operator.RELU6)
logistic: Final = _of(Operator.LOGISTIC)
tanh: Final = _of(Operator.TANH)
hard_swish: Final = _of(Operator.HARD_SWISH)
_leaky: Final = _of(Operator.LEAKY_RELU)
_softmax: Final = _of(Operator.SOFTMAX)


def leaky_relu(reading: Reading, x: Operation) -> Operation:
    """LeakyReLU and its like; the slope takes no part in the Layer."""
    made = _leaky(reading, x)
    made.detail = float(getattr(reading.layer, "negative_slope", _USUAL_SLOPE))
    return made


def swish(reading: Reading, x: Operation) -> Operation:
    """The value times its logistic."""
    gate = reading.operation(Operator.LOGISTIC, x, suffix="_logistic")
    return reading.operation(Operator.MUL, x, gate, suffix=_suffix(reading, x, Operator.MUL))


def hard_sigmoid(reading: Reading, x: Operation) -> Operation:
    """relu6(x + 3) / 6."""
    shifted = single(reading, Operator.ADD, x, THREE, "_add")
    clipped = reading.operation(Operator.RELU6, shifted, suffix="_relu6")
    return single(reading, Operator.MUL, clipped, SIXTH, "_mul")


def single(
    reading: Reading, kind: Operator, x: Operation, value: float, suffix: str = ""
) -> Operation:
    """``x`` plus, minus or times a single value."""
    constant = Constant((1,), value, 0, value)
    return reading.operation(kind, x, suffix=suffix, constant=constant)


def _linear(reading: Reading, x: Operation) -> Operation:
    return x


_BY_NAME: Final[Mapping[str, Read]] = {
    "hard_sigmoid": hard_sigmoid,
    "hard_silu": hard_swish,
    "leaky_relu": leaky_relu,
    "linear": _linear,
    "relu": relu,
    "relu6": relu6,
    "sigmoid": logistic,
    "silu": swish,
    "softmax": _softmax,
    "tanh": tanh,
}
