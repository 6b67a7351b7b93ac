"""Writes a Network as a Keras model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from hwnas.errors import NetworkError, UnsupportedLayerError
from hwnas.keras_io._load import keras_module
from hwnas.network import (
    PARAMETRIC,
    Activation,
    Layer,
    Network,
    Node,
    Operator,
    same_padding,
)

_VALID_NAME: Final = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.-]*")
_CHANNELS_LAST: Final = "channels_last"
"""Said each time, as the user's keras.json may have another default."""


def to_keras(network: Network, *, name: str = "hwnas") -> Any:
    """A float Keras model of a Network, ready to be trained; its batch size is free.

    The names of the Network's nodes become the layers' names where Keras can take them and they
    are not taken yet. :func:`from_keras` reads the model back as the same Network where that is
    in the form that the TFLite converter would give it: nothing left to fuse or to merge, and
    each branch ended before the next one begins.

    Args:
        network: What to build.
        name: Of the model.

    Returns:
        A functional ``keras.Model`` with fresh weights.

    Raises:
        UnsupportedLayerError: Keras has no such layer: the padding is neither "same" nor
            "valid", or a convolution has both strides and dilation.
        NetworkError: ``name`` cannot be a model's name.
        HwnasError: Keras or tensorflow is not installed.

    Example:
        >>> to_keras(network).compile("adam", "mse")  # doctest: +SKIP
    """
    if not _VALID_NAME.fullmatch(name):
        raise NetworkError(f"model name {name!r}: letters, digits, '_', '-' and '.' are allowed")
    keras = keras_module()
    names = _Names(node.name for node in network.nodes)
    values = [keras.Input(network.input_shape, name=names.unused("input"))]
    for i, node in enumerate(network.nodes):
        layers = _layers_of(keras, node, f"node {i} ({node.layer.describe()})", names)
        inputs = [values[value] for value in node.inputs]
        output = layers[0](inputs if len(inputs) > 1 else inputs[0])
        for layer in layers[1:]:
            output = layer(output)
        values.append(output)
    return keras.Model(values[0], values[-1], name=name)


class _Names:
    """Layer names, each given out once; those of nodes are kept for the nodes."""

    def __init__(self, reserved: Iterable[str]) -> None:
        self._reserved = set(reserved)
        self._taken: set[str] = set()

    def of(self, node: Node) -> str:
        """The node's own name, or one made from its operator."""
        if not _VALID_NAME.fullmatch(node.name) or node.name in self._taken:
            return self.unused(str(node.layer.operator))
        self._taken.add(node.name)
        return node.name

    def unused(self, stem: str) -> str:
        """``stem``, with a number where that is taken."""
        name, count = stem, 0
        while name in self._reserved or name in self._taken:
            count += 1
            name = f"{stem}_{count}"
        self._taken.add(name)
        return name


def _layers_of(keras: Any, node: Node, label: str, names: _Names) -> list[Any]:
    """The node's Keras layer, and its activation where Keras needs a layer for that."""
    layer, name = node.layer, names.of(node)
    if layer.operator in PARAMETRIC:
        return [_parametric(keras, layer, label, name)]
    made = [_WITHOUT_WEIGHTS[layer.operator](keras, layer, label, name)]
    if layer.activation is not Activation.NONE:
        made.append(_rectifier(keras, layer.activation, names.unused(f"{name}_{layer.activation}")))
    return made


def _parametric(keras: Any, layer: Layer, label: str, name: str) -> Any:
    activation = None if layer.activation is Activation.NONE else str(layer.activation)
    common: dict[str, Any] = {
        "activation": activation,
        "use_bias": layer.use_bias,
        "name": name,
    }
    if layer.operator is Operator.DENSE:
        return keras.layers.Dense(layer.output_shape[0], **common)
    if max(layer.strides) > 1 and max(layer.dilation) > 1:
        raise UnsupportedLayerError(
            f"{label}: Keras has no convolution with strides {layer.strides} and dilation "
            f"{layer.dilation}; use one of them"
        )
    common |= {
        "strides": layer.strides,
        "padding": _padding(layer, label),
        "dilation_rate": layer.dilation,
        "data_format": _CHANNELS_LAST,
    }
    if layer.operator is Operator.CONV2D:
        return keras.layers.Conv2D(layer.output_shape[2], layer.kernel_size, **common)
    return keras.layers.DepthwiseConv2D(
        layer.kernel_size, depth_multiplier=layer.depth_multiplier, **common
    )


def _pool(keras: Any, layer: Layer, label: str, name: str) -> Any:
    is_max = layer.operator is Operator.MAX_POOL2D
    make = keras.layers.MaxPooling2D if is_max else keras.layers.AveragePooling2D
    return make(layer.kernel_size, layer.strides, _padding(layer, label), _CHANNELS_LAST, name=name)


def _global_average_pool(keras: Any, layer: Layer, label: str, name: str) -> Any:
    return keras.layers.GlobalAveragePooling2D(_CHANNELS_LAST, name=name)


def _softmax(keras: Any, layer: Layer, label: str, name: str) -> Any:
    return keras.layers.Softmax(name=name)


def _lone_rectifier(keras: Any, layer: Layer, label: str, name: str) -> Any:
    return _rectifier(keras, layer.operator, name)


def _sum(keras: Any, layer: Layer, label: str, name: str) -> Any:
    return keras.layers.Add(name=name)


def _reshape(keras: Any, layer: Layer, label: str, name: str) -> Any:
    if len(layer.output_shape) == 1:
        return keras.layers.Flatten(_CHANNELS_LAST, name=name)
    return keras.layers.Reshape(layer.output_shape, name=name)


_WITHOUT_WEIGHTS: Final[dict[Operator, Callable[[Any, Layer, str, str], Any]]] = {
    Operator.MAX_POOL2D: _pool,
    Operator.AVERAGE_POOL2D: _pool,
    Operator.GLOBAL_AVERAGE_POOL2D: _global_average_pool,
    Operator.SOFTMAX: _softmax,
    Operator.RELU: _lone_rectifier,
    Operator.RELU6: _lone_rectifier,
    Operator.ADD: _sum,
    Operator.RESHAPE: _reshape,
}


def _rectifier(keras: Any, kind: Activation | Operator, name: str) -> Any:
    clipped = kind in (Activation.RELU6, Operator.RELU6)
    return keras.layers.ReLU(max_value=6 if clipped else None, name=name)


def _padding(layer: Layer, label: str) -> str:
    """Keras's word for a layer's padding.

    A ZeroPadding2D before a "valid" layer cannot stand in for other paddings: the converter
    would leave it an operator of its own.
    """
    top, left, bottom, right = layer.padding
    if not any(layer.padding):
        return "valid"
    same = [
        same_padding(size, *axis)
        for size, *axis in zip(
            layer.input_shape[:2], layer.kernel_size, layer.strides, layer.dilation, strict=True
        )
    ]
    if [(top, bottom), (left, right)] == same:
        return "same"
    raise UnsupportedLayerError(
        f"{label}: padding (top {top}, left {left}, bottom {bottom}, right {right}) is neither "
        f"Keras's 'same' ({same[0][0]}, {same[1][0]}, {same[0][1]}, {same[1][1]}) nor 'valid'; "
        "use one of them"
    )
