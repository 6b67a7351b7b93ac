"""TFLite files as networks, with or without their parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from hwnas._files import read_bytes
from hwnas.errors import NetworkError, UnsupportedLayerError
from hwnas.network import DType, Layer, Network, Node, Shape, conv2d, reshape
from hwnas.network import Operator as Kind
from hwnas.plan import LayerParameters, NetworkParameters, TrainedNetwork
from hwnas.tflite_io._file import TfliteGraph, TfliteOperator, TfliteTensor, checked, read_graph
from hwnas.tflite_io._operators import FREE, Call, layer_of, shape_of
from hwnas.tflite_io._parameters import parameters_of, quantization_of, weight_scales

MAX_TFLITE_BYTES: Final = 64 << 20
_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "UINT8": "quantize it to int8, as converters from TensorFlow 2.3 on do",
        "INT16": "quantize it to int8",
        "FLOAT16": "convert it with 32-bit floats, or quantize it to int8",
    }
)


def from_tflite(model: bytes | Path | str) -> Network:
    """Read the architecture of a TFLite model; its parameters are not looked at.

    It is the network that :func:`hwnas.keras_io.from_keras` makes of the Keras model that was
    converted.

    Args:
        model: The file, or its bytes: int8, or float32.

    Returns:
        The network. A layer's name is what the file tells of the Keras layer's.

    Raises:
        NetworkError: The file is missing, too large, damaged, or inconsistent.
        UnsupportedLayerError: It has an operator that the firmware cannot run, or another type,
            several graphs, inputs or outputs; the message names what and a replacement.
        HwnasError: ai-edge-litert is not installed.

    Example:
        >>> from_tflite("lenet.tflite").layers  # doctest: +SKIP
    """
    return checked(lambda: NetworkReader(_graph_of(model), trained=False).network())


def trained_from_tflite(model: bytes | Path | str) -> TrainedNetwork:
    """Read a TFLite model with its parameters, to be deployed.

    A dense layer whose weights have a scale an output, as converters from TensorFlow 2.18 on give
    them, becomes a 1x1 convolution: CMSIS-NN 4.0.0's dense layers have one scale. The results are
    the same to the bit.

    Args:
        model: The file, or its bytes: int8, or float32.

    Raises:
        NetworkError: As for :func:`from_tflite`, or constants or scales make no sense.
        UnsupportedLayerError: As for :func:`from_tflite`, or a constant's type, zero point or scale
            is none that kernels compute with.
        HwnasError: ai-edge-litert is not installed.

    Example:
        >>> trained = trained_from_tflite("lenet.tflite")  # doctest: +SKIP
        >>> trained.input  # doctest: +SKIP
        TensorQuantization(scale=0.003921568859368563, zero_point=-128)
    """
    return checked(lambda: NetworkReader(_graph_of(model), trained=True).trained_network())


def _graph_of(model: bytes | Path | str) -> TfliteGraph:
    data = (
        model
        if isinstance(model, bytes)
        else read_bytes(Path(model), "model", most_bytes=MAX_TFLITE_BYTES, error=NetworkError)
    )
    try:
        return read_graph(data)
    except (NetworkError, UnsupportedLayerError) as error:
        where = "the model" if isinstance(model, bytes) else f"model {model}:"
        raise type(error)(f"{where} {error}") from error


@dataclass(frozen=True, slots=True)
class _View:
    """A value of the network in the shape in which it is read next."""

    value: int
    shape: Shape


class NetworkReader:
    """Goes through a graph once; a reshape is made only where somebody reads another shape."""

    def __init__(self, graph: TfliteGraph, *, trained: bool) -> None:
        self._graph = graph
        self._trained = trained
        types = {tensor.type for tensor in graph.tensors}
        self._dtype = DType.INT8 if "INT8" in types else DType.FLOAT32
        source = graph.tensors[graph.input]
        _check_type(source)
        self._input_shape = shape_of(source)
        self._views = {graph.input: _View(0, self._input_shape)}
        self._reshaped: dict[_View, int] = {}
        self._shapes = [self._input_shape]
        self._points = [quantization_of(source).zero_point if trained else 0]
        self._tensors = [graph.input]
        self._nodes: list[Node] = []
        self._parameters: list[LayerParameters] = []
        for operator in graph.operators:
            self._add(operator)

    def network(self) -> Network:
        """The network, its branches in an order that does not depend on the file's."""
        return self._ordered()[0]

    def trained_network(self) -> TrainedNetwork:
        """The same with parameters."""
        network, order = self._ordered()
        ends = [
            None if tensor.type == "FLOAT32" else quantization_of(tensor)
            for tensor in (self._tensor(self._graph.input), self._tensor(self._graph.output))
        ]
        parameters = NetworkParameters(
            (self._points[0], *(self._points[i + 1] for i in order)),
            tuple(self._parameters[i] for i in order),
        )
        return TrainedNetwork(network, parameters, *ends)

    def tensors(self) -> list[int]:
        """For each value of the network the tensor of the file that holds the same numbers."""
        return [self._tensors[0], *(self._tensors[i + 1] for i in self._ordered()[1])]

    def _tensor(self, number: int) -> TfliteTensor:
        return self._graph.tensors[number]

    def _ordered(self) -> tuple[Network, list[int]]:
        """The network, and which node of those read each of its nodes is."""
        view = self._views.get(self._graph.output)
        if view is None:
            raise NetworkError(f"tensor {self._tensor(self._graph.output).name!r} is never written")
        last = self._as(view.value, view.shape, "")
        order = _depth_first(self._nodes, last)
        place = {0: 0} | {old + 1: new + 1 for new, old in enumerate(order)}
        nodes = tuple(
            Node(node.layer, tuple(place[i] for i in node.inputs), node.name)
            for node in (self._nodes[i] for i in order)
        )
        return Network(self._input_shape, nodes, self._dtype), order

    def _add(self, operator: TfliteOperator) -> None:
        output = operator.outputs[0]
        target = self._tensor(output)
        if target.type in ("INT32", "INT64"):
            # Shapes that are computed for a reshape: the file tells what they come to.
            return
        if len(operator.outputs) > 1:
            raise UnsupportedLayerError(
                f"{operator.kind} {target.name!r} has {len(operator.outputs)} outputs; layers have "
                "one: replace it by a convolution with groups"
            )
        call = self._call(operator, target)
        layer = self._layer(call)
        if layer.is_free:
            (source,) = self._sources(operator)
            self._views[output] = _View(source.value, layer.output_shape)
            return
        inputs = tuple(
            self._as(view.value, shape, target.name)
            for view, shape in zip(self._sources(operator), layer.input_shapes, strict=True)
        )
        parameters = parameters_of(layer, call) if self._trained else LayerParameters()
        point = quantization_of(target).zero_point if self._trained else 0
        name = _layer_name(target.name)
        value = self._append(layer, inputs, name, parameters, point, output)
        self._views[output] = _View(value, shape_of(target))

    def _call(self, operator: TfliteOperator, target: TfliteTensor) -> Call:
        read = operator.inputs[:1] if operator.kind in FREE else operator.inputs
        sources = [self._tensor(i) for i in read if i in self._views]
        constants = tuple(
            None if i < 0 else self._tensor(i) for i in read if i < 0 or i not in self._views
        )
        for tensor in constants:
            if tensor is not None and not tensor.is_constant:
                raise NetworkError(f"{operator.kind} reads tensor {tensor.name!r}, which is empty")
        if not sources:
            raise UnsupportedLayerError(
                f"{operator.kind} {target.name!r} computes with constants alone, as models do "
                "whose weights are compressed: convert it with 32-bit floats, or quantize it to "
                "int8"
            )
        for tensor in (*sources, target):
            _check_type(tensor)
        first = read[0] not in self._views
        return Call(operator, tuple(sources), constants, first, target, self._dtype)

    def _sources(self, operator: TfliteOperator) -> list[_View]:
        return [self._views[i] for i in operator.inputs if i in self._views]

    def _layer(self, call: Call) -> Layer:
        try:
            layer = layer_of(call)
        except NetworkError as error:
            raise NetworkError(f"{call.label}: {error}") from error
        if layer.operator is not Kind.DENSE or not self._trained or self._dtype is DType.FLOAT32:
            return layer
        if len(weight_scales(call.constant(0, "weights"))) == 1:
            return layer
        return conv2d(
            (1, 1, *layer.input_shape),
            layer.output_shape[0],
            1,
            activation=layer.activation,
            use_bias=layer.use_bias,
        )

    def _as(self, value: int, shape: Shape, name: str) -> int:
        """A value in a shape, through a reshape where it has another one."""
        if self._shapes[value] == shape:
            return value
        view = _View(value, shape)
        if view not in self._reshaped:
            layer = reshape(self._shapes[value], shape, dtype=self._dtype)
            self._reshaped[view] = self._append(
                layer,
                (value,),
                f"{_layer_name(name)}_shape",
                LayerParameters(),
                self._points[value],
                self._tensors[value],
            )
        return self._reshaped[view]

    def _append(
        self,
        layer: Layer,
        inputs: tuple[int, ...],
        name: str,
        parameters: LayerParameters,
        zero_point: int,
        tensor: int,
    ) -> int:
        self._nodes.append(Node(layer, inputs, name))
        self._parameters.append(parameters)
        self._points.append(zero_point)
        self._tensors.append(tensor)
        self._shapes.append(layer.output_shape)
        return len(self._nodes)


def _depth_first(nodes: list[Node], last: int) -> list[int]:
    """Nodes that value ``last`` depends on: what a first input needs comes first, and so on."""
    ordered: list[int] = []
    seen = {0}
    stack = [(last, False)]
    while stack:
        value, ready = stack.pop()
        if ready:
            ordered.append(value - 1)
        elif value not in seen:
            seen.add(value)
            stack.append((value, True))
            stack.extend((source, False) for source in reversed(nodes[value - 1].inputs))
    return ordered


def _check_type(tensor: TfliteTensor) -> None:
    if tensor.type not in ("INT8", "FLOAT32"):
        advice = _TYPES.get(tensor.type, "networks compute in int8 or float32")
        raise UnsupportedLayerError(f"tensor {tensor.name!r} is {tensor.type}: {advice}")


def _layer_name(tensor: str) -> str:
    """The Keras layer's name, where a tensor's name tells it: ``model/conv/BiasAdd;...``."""
    parts = tensor.partition(";")[0].split("/")
    return parts[-2] if len(parts) > 1 else parts[0]
