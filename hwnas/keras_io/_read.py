"""Reads a Keras model's graph as a Network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hwnas.errors import NetworkError, UnsupportedLayerError
from hwnas.keras_io._graph import Graph, Operation, Transient
from hwnas.keras_io._layers import read_operation
from hwnas.keras_io._load import keras_module
from hwnas.keras_io._passes import simplify
from hwnas.keras_io._reading import label_of
from hwnas.network import DType, Network, Shape


def from_keras(model: Any, dtype: DType | str = DType.INT8) -> Network:
    """Read a Keras model as the Network that its deployment runs.

    Batch normalizations are folded and activations fused as the TFLite converter does it;
    layers that act in training only are left out, even where they are called with
    ``training=True``. Weights are not looked at, so an untrained model gives the Network of the
    trained one: a layer has a bias where ``use_bias`` is set or a batch normalization was folded
    into it.

    Args:
        model: A Sequential or functional ``keras.Model`` with one input and one output.
        dtype: Type of the deployed activations and weights.

    Raises:
        UnsupportedLayerError: A layer is not supported; the message names it and a replacement.
        NetworkError: The model has no fixed shapes, a layer is out of range, or this is no model.
        HwnasError: Keras or tensorflow is not installed.

    Example:
        >>> inputs = keras.Input((8, 8, 4))  # doctest: +SKIP
        >>> x = keras.layers.Conv2D(8, 3, use_bias=False)(inputs)  # doctest: +SKIP
        >>> x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))  # doctest: +SKIP
        >>> [str(layer) for layer in from_keras(keras.Model(inputs, x)).layers]  # doctest: +SKIP
    """
    keras = keras_module()
    if not isinstance(model, keras.Model):
        raise NetworkError(f"from_keras reads a keras.Model, not {type(model).__name__}")
    graph = Graph(_Reader(keras).model(model, None))
    simplify(graph, dtype)
    return graph.network(dtype)


class _Reader:
    """Walks a model and the models inside it; remembers whose weights it has met."""

    def __init__(self, keras: Any) -> None:
        self._keras = keras
        self._weighted: set[int] = set()

    def model(self, model: Any, source: Operation | None) -> Operation:
        """The operation that makes the model's output from ``source``, or from a new input."""
        functional = _functional(self._keras, model)
        values = {id(functional.inputs[0]): source or _input(functional)}
        depths = sorted(functional._nodes_by_depth.items(), reverse=True)
        for node in (node for _, nodes in depths for node in nodes):
            if not node.is_input:
                arguments = [*node.arguments.args, *node.arguments.kwargs.values()]
                operands = list(_operands(arguments, values))
                values[id(node.outputs[0])] = self._node(node, operands)
        return values[id(functional.outputs[0])]

    def _node(self, node: Any, operands: list[Operation | Any]) -> Operation:
        layer = node.operation
        if isinstance(layer, self._keras.Model):
            inputs = [operand for operand in operands if isinstance(operand, Operation)]
            if len(inputs) != 1:
                raise UnsupportedLayerError(
                    f"{label_of(layer)}: has {len(inputs)} inputs; a model inside a model has "
                    "one: call its layers directly"
                )
            return self.model(layer, inputs[0])
        if getattr(layer, "weights", None):
            if id(layer) in self._weighted:
                raise UnsupportedLayerError(
                    f"{label_of(layer)}: is used twice; layers that share weights are not "
                    "supported, use a layer of its own in each place"
                )
            self._weighted.add(id(layer))
        shape: Shape = tuple(node.outputs[0].shape[1:])
        return read_operation(self._keras, layer, operands, shape)


def _operands(arguments: Iterable[Any], values: Mapping[int, Operation]) -> Iterator[Any]:
    """A call's arguments in order, lists of tensors unpacked, tensors as what makes them."""
    for argument in arguments:
        if isinstance(argument, list | tuple) and any(id(item) in values for item in argument):
            yield from _operands(argument, values)
        else:
            yield values.get(id(argument), argument)


def _functional(keras: Any, model: Any) -> Any:
    """The functional model behind ``model``, checked for one input and one output."""
    functional = model._functional if isinstance(model, keras.Sequential) else model
    if functional is None:
        raise NetworkError(
            f"{label_of(model)}: has no shapes yet; begin it with a keras.Input or call build()"
        )
    own_call = not type(model).call.__module__.startswith("keras.")
    if own_call or not isinstance(functional, keras.Function):
        raise UnsupportedLayerError(
            f"{label_of(model)}: has a call() of its own, which cannot be read; build it with "
            "keras.Sequential or keras.Model(inputs, outputs)"
        )
    for what, tensors in (("inputs", functional.inputs), ("outputs", functional.outputs)):
        if len(tensors) != 1:
            raise UnsupportedLayerError(
                f"{label_of(model)}: has {len(tensors)} {what} "
                f"({', '.join(tensor.name for tensor in tensors)}); networks have one: "
                "split the model"
            )
    return functional


def _input(functional: Any) -> Operation:
    tensor = functional.inputs[0]
    layer = tensor._keras_history.operation
    shape: Shape = tuple(tensor.shape[1:])
    if not shape or None in shape:
        raise NetworkError(
            f"{label_of(layer)}: shape {shape} is not fixed; give keras.Input every axis but "
            "the batch"
        )
    return Operation(Transient.INPUT, [], shape, layer.name, label_of(layer))
