"""Writes a Network as a Keras model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Final

from hwnas.errors import NetworkError
from hwnas.keras_io._load import keras_module
from hwnas.keras_io._writers import Writing, batch_norm, rectifier, writer_of
from hwnas.network import PARAMETRIC, Activation, Network, Node, Operator, Shape

_VALID_NAME: Final = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.-]*")


def to_keras(network: Network, *, name: str = "hwnas") -> Any:
    """A float Keras model of a Network, ready to be trained; its batch size is free.

    The names of the Network's nodes become the layers' names where Keras can take them and they
    are not taken yet. :func:`from_keras` reads the model back as the same Network where that is
    in the form that the TFLite converter would give it: nothing left to fuse or to merge, and
    each branch ended before the next one begins.

    A product and a sum with a constant a channel, one after the other, become a
    BatchNormalization, which can be trained; other constants get arbitrary values. Quantize,
    dequantize and requantize do nothing to floats and become Identity.

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
    norms = _batch_norms(network)
    for i, node in enumerate(network.nodes):
        label = f"node {i} ({node.layer.describe()})"
        inputs = [values[value] for value in node.inputs]
        if i in norms:
            # Its second half makes the layer of both.
            values.append(inputs[0])
            continue
        own = names.of(node)
        write = batch_norm if i - 1 in norms else writer_of(node.layer.operator)
        output = write(Writing(keras, node.layer, label, own, i, names.unused), inputs)
        output = _in_shape(keras, output, node.layer.output_shape, names, own)
        for layer in _fused(keras, node, names, own):
            output = layer(output)
        values.append(output)
    return keras.Model(values[0], values[-1], name=name)


def _batch_norms(network: Network) -> set[int]:
    """The nodes that multiply by a constant a channel, which only the next one reads and adds to.

    :func:`from_keras` reads a batch normalization that cannot be folded as two such nodes.
    """
    reads = [value for node in network.nodes for value in node.inputs]
    return {
        i
        for i, (node, after) in enumerate(pairwise(network.nodes))
        if _is_per_channel(node, Operator.MUL)
        and _is_per_channel(after, Operator.ADD)
        and node.layer.activation is Activation.NONE
        and after.inputs == (i + 1,)
        and reads.count(i + 1) == 1
    }


def _is_per_channel(node: Node, operator: Operator) -> bool:
    layer = node.layer
    return layer.operator is operator and layer.operand == layer.output_shape[-1:]


def _fused(keras: Any, node: Node, names: _Names, own: str) -> list[Any]:
    """The activation of a layer that Keras gives none."""
    activation = node.layer.activation
    if activation is Activation.NONE or node.layer.operator in PARAMETRIC:
        return []
    return [rectifier(keras, activation, names.unused(f"{own}_{activation}"))]


def _in_shape(keras: Any, output: Any, shape: Shape, names: _Names, own: str) -> Any:
    """Keras broadcasts to the larger rank, a Network to the larger size."""
    if tuple(output.shape[1:]) == shape:
        return output
    return keras.layers.Reshape(shape, name=names.unused(f"{own}_shape"))(output)


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
