"""One layer of a Network as Keras layers, applied to what makes its inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from hwnas.errors import UnsupportedLayerError
from hwnas.network import Activation, Layer, Operator, Shape, same_padding

_CHANNELS_LAST: Final = "channels_last"
"""Said each time, as the user's keras.json may have another default."""


@dataclass(frozen=True, slots=True)
class Writing:
    """A layer in the course of being written.

    Attributes:
        keras: The keras module.
        layer: The Network's layer.
        label: How messages name it.
        name: Of the Keras layer.
        number: Of the node.
        unused: Makes a name that no layer has from what it should begin with.
    """

    keras: Any
    layer: Layer
    label: str
    name: str
    number: int
    unused: Callable[[str], str]

    @property
    def layers(self) -> Any:
        """Keras's layers."""
        return self.keras.layers


Write = Callable[[Writing, Sequence[Any]], Any]
"""Makes the output from the inputs."""


def writer_of(operator: Operator) -> Write:
    """What writes layers of an operator."""
    return _WRITERS[operator]


def rectifier(keras: Any, kind: Activation | Operator, name: str) -> Any:
    """A ReLU, clipped at 6 or not."""
    clipped = kind in (Activation.RELU6, Operator.RELU6)
    return keras.layers.ReLU(max_value=6 if clipped else None, name=name)


def batch_norm(writing: Writing, inputs: Sequence[Any]) -> Any:
    """A BatchNormalization for a sum, and for the product before it."""
    return writing.layers.BatchNormalization(name=writing.name)(inputs[0])


def _dense(writing: Writing, inputs: Sequence[Any]) -> Any:
    return writing.layers.Dense(writing.layer.output_shape[0], **_common(writing))(inputs[0])


def _convolution(writing: Writing, inputs: Sequence[Any]) -> Any:
    return writing.layers.Conv2D(
        writing.layer.output_shape[2],
        writing.layer.kernel_size,
        groups=writing.layer.groups,
        **_common(writing),
        **_window(writing),
    )(inputs[0])


def _depthwise(writing: Writing, inputs: Sequence[Any]) -> Any:
    return writing.layers.DepthwiseConv2D(
        writing.layer.kernel_size,
        depth_multiplier=writing.layer.depth_multiplier,
        **_common(writing),
        **_window(writing),
    )(inputs[0])


def _common(writing: Writing) -> dict[str, Any]:
    layer = writing.layer
    activation = None if layer.activation is Activation.NONE else str(layer.activation)
    return {"activation": activation, "use_bias": layer.use_bias, "name": writing.name}


def _window(writing: Writing) -> dict[str, Any]:
    layer = writing.layer
    if max(layer.strides) > 1 and max(layer.dilation) > 1:
        raise UnsupportedLayerError(
            f"{writing.label}: Keras has no convolution with strides {layer.strides} and dilation "
            f"{layer.dilation}; use one of them"
        )
    return {
        "strides": layer.strides,
        "padding": _padding(writing),
        "dilation_rate": layer.dilation,
        "data_format": _CHANNELS_LAST,
    }


def _pool(writing: Writing, inputs: Sequence[Any]) -> Any:
    is_max = writing.layer.operator is Operator.MAX_POOL2D
    make = writing.layers.MaxPooling2D if is_max else writing.layers.AveragePooling2D
    padding = _padding(writing)
    return make(
        writing.layer.kernel_size, writing.layer.strides, padding, _CHANNELS_LAST, name=writing.name
    )(inputs[0])


def _global_pool(writing: Writing, inputs: Sequence[Any]) -> Any:
    is_max = writing.layer.operator is Operator.GLOBAL_MAX_POOL2D
    make = writing.layers.GlobalMaxPooling2D if is_max else writing.layers.GlobalAveragePooling2D
    return make(_CHANNELS_LAST, name=writing.name)(inputs[0])


def _softmax(writing: Writing, inputs: Sequence[Any]) -> Any:
    return writing.layers.Softmax(name=writing.name)(inputs[0])


def _rectified(writing: Writing, inputs: Sequence[Any]) -> Any:
    return rectifier(writing.keras, writing.layer.operator, writing.name)(inputs[0])


def _leaky(writing: Writing, inputs: Sequence[Any]) -> Any:
    return writing.layers.LeakyReLU(name=writing.name)(inputs[0])


def _activated(writing: Writing, inputs: Sequence[Any]) -> Any:
    function = _FUNCTIONS[writing.layer.operator]
    return writing.layers.Activation(function, name=writing.name)(inputs[0])


def _binary(writing: Writing, inputs: Sequence[Any]) -> Any:
    if writing.layer.operand:
        return _with_constant(writing, inputs[0])
    make = {
        Operator.ADD: writing.layers.Add,
        Operator.SUB: writing.layers.Subtract,
        Operator.MUL: writing.layers.Multiply,
    }[writing.layer.operator]
    return make(name=writing.name)(list(inputs))


def _with_constant(writing: Writing, x: Any) -> Any:
    """An operator and a constant of arbitrary values, which none of the converter's rules knows."""
    keras, operator = writing.keras, writing.layer.operator
    values = _arbitrary(writing.layer.operand, writing.number)
    if operator is Operator.MUL:
        return keras.layers.Rescaling(values, name=writing.name)(x)
    if operator is Operator.ADD:
        return keras.layers.Rescaling(1.0, values, name=writing.name)(x)
    constant = np.asarray(values, np.float32)
    pair = (constant, x) if writing.layer.operand_first else (x, constant)
    difference = keras.ops.subtract(*pair)
    # Functions take no name; the one that Keras makes up may be a node's.
    difference._keras_history.operation.name = writing.name
    return difference


def _arbitrary(shape: Shape, number: int) -> Any:
    """Values between 0 and 1, all of them different from both, nested as ``shape`` says.

    Those of two numbers differ, else one operation were as good as two.
    """
    count = math.prod(shape)
    factor = (number + 2) / (2 * number + 2) / (count + 1)
    values: Any = [(i + 1) * factor for i in range(count)]
    for length in reversed(shape[1:]):
        values = [values[i : i + length] for i in range(0, len(values), length)]
    return values


def _concatenation(writing: Writing, inputs: Sequence[Any]) -> Any:
    return writing.layers.Concatenate(axis=writing.layer.axis, name=writing.name)(list(inputs))


def _pad(writing: Writing, inputs: Sequence[Any]) -> Any:
    layers, layer, name = writing.layers, writing.layer, writing.name
    (height, *rest), (top, left, bottom, right) = layer.input_shape, layer.padding
    if height > 1 or top or bottom:
        rows, columns = (top, bottom), (left, right)
        return layers.ZeroPadding2D((rows, columns), _CHANNELS_LAST, name=name)(inputs[0])
    # Zeros of a sequence, which a convolution after them must not take up.
    steps = layers.Reshape(rest, name=writing.unused(f"{name}_steps"))(inputs[0])
    padded = layers.ZeroPadding1D((left, right), name=name)(steps)
    return layers.Reshape(layer.output_shape, name=writing.unused(f"{name}_rows"))(padded)


def _identity(writing: Writing, inputs: Sequence[Any]) -> Any:
    return writing.layers.Identity(name=writing.name)(inputs[0])


def _reshape(writing: Writing, inputs: Sequence[Any]) -> Any:
    if len(writing.layer.output_shape) == 1:
        return writing.layers.Flatten(_CHANNELS_LAST, name=writing.name)(inputs[0])
    return writing.layers.Reshape(writing.layer.output_shape, name=writing.name)(inputs[0])


_FUNCTIONS: Final[Mapping[Operator, str]] = {
    Operator.LOGISTIC: "sigmoid",
    Operator.TANH: "tanh",
    Operator.HARD_SWISH: "hard_silu",
}
_WRITERS: Final[Mapping[Operator, Write]] = {
    Operator.CONV2D: _convolution,
    Operator.DEPTHWISE_CONV2D: _depthwise,
    Operator.DENSE: _dense,
    Operator.MAX_POOL2D: _pool,
    Operator.AVERAGE_POOL2D: _pool,
    Operator.GLOBAL_AVERAGE_POOL2D: _global_pool,
    Operator.GLOBAL_MAX_POOL2D: _global_pool,
    Operator.SOFTMAX: _softmax,
    Operator.RELU: _rectified,
    Operator.RELU6: _rectified,
    Operator.LEAKY_RELU: _leaky,
    Operator.LOGISTIC: _activated,
    Operator.TANH: _activated,
    Operator.HARD_SWISH: _activated,
    Operator.ADD: _binary,
    Operator.SUB: _binary,
    Operator.MUL: _binary,
    Operator.CONCATENATION: _concatenation,
    Operator.PAD: _pad,
    Operator.QUANTIZE: _identity,
    Operator.DEQUANTIZE: _identity,
    Operator.REQUANTIZE: _identity,
    Operator.RESHAPE: _reshape,
}


def _padding(writing: Writing) -> str:
    """Keras's word for a layer's padding.

    A ZeroPadding2D before a "valid" layer cannot stand in for other paddings: the converter
    would leave it an operator of its own.
    """
    layer = writing.layer
    top, left, bottom, right = layer.padding
    same = [
        same_padding(size, *axis)
        for size, *axis in zip(
            layer.input_shape[:2], layer.kernel_size, layer.strides, layer.dilation, strict=True
        )
    ]
    # Where both say the same, "same" does: the converter moves constants into "valid" layers.
    if [(top, bottom), (left, right)] == same:
        return "same"
    if not any(layer.padding):
        return "valid"
    raise UnsupportedLayerError(
        f"{writing.label}: padding (top {top}, left {left}, bottom {bottom}, right {right}) is "
        f"neither Keras's 'same' ({same[0][0]}, {same[1][0]}, {same[0][1]}, {same[1][1]}) nor "
        "'valid'; use one of them"
    )
