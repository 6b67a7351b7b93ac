"""What the TFLite converter makes of a Keras model: the oracle for ``from_keras``."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from hwnas.network import PARAMETRIC, Activation, Layer, Network, Node, Operator, Shape

REPRESENTATIVE_SAMPLES = 2

_NAMES = {
    "CONV_2D": "conv2d",
    "DEPTHWISE_CONV_2D": "depthwise_conv2d",
    "FULLY_CONNECTED": "dense",
    "MAX_POOL_2D": "max_pool2d",
    "AVERAGE_POOL_2D": "average_pool2d",
    "MEAN": "global_average_pool2d",
    "REDUCE_MAX": "global_max_pool2d",
    "SOFTMAX": "softmax",
    "RELU": "relu",
    "RELU6": "relu6",
    "LEAKY_RELU": "leaky_relu",
    "LOGISTIC": "logistic",
    "TANH": "tanh",
    "HARD_SWISH": "hard_swish",
    "ADD": "add",
    "SUB": "sub",
    "MUL": "mul",
    "CONCATENATION": "concatenation",
    "PAD": "pad",
    "QUANTIZE": "requantize",
    "RESHAPE": "reshape",
}
_WINDOWED = frozenset({"conv2d", "depthwise_conv2d", "max_pool2d", "average_pool2d"})
_BINARY = frozenset({"add", "sub", "mul"})
_ELEMENTWISE = _BINARY | {
    "relu", "relu6", "leaky_relu", "logistic", "tanh", "hard_swish", "requantize",
}  # fmt: skip
_ORDERED = frozenset({"sub", "concatenation"})
_BUILTINS = {value: key for key, value in vars(schema.BuiltinOperator).items() if key.isupper()}
_ACTIVATIONS = {
    value: key.lower()
    for key, value in vars(schema.ActivationFunctionType).items()
    if isinstance(value, int)
}


@dataclass(frozen=True)
class Op:
    """One operator, reduced to what a flatbuffer and a Layer both tell.

    Shapes leave out the batch, and what the converter's handling of reshapes changes: element-wise
    operators tell the number of elements alone, others that slide no window no leading ones. The
    operands of sums and products are in no order; of a constant one only its size is told.
    """

    name: str
    inputs: tuple[Shape, ...]
    output: Shape
    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    depth_multiplier: int = 1
    groups: int = 1
    axis: int = -1
    constant: int = 0
    constant_first: bool = False
    activation: str = "none"
    bias: bool = False


@dataclass(frozen=True)
class Wired:
    """An operator with where its inputs come from: 0 is the input, i + 1 operator i's output."""

    op: Op
    sources: tuple[int, ...]


def signature(graph: list[Wired]) -> tuple[list[str], str]:
    """All operators in no order, and a hash of the wiring that no order changes.

    Reshapes are seen through: the converter merges and drops them.
    """
    hashes = ["input"]
    for wired in graph:
        sources = [hashes[i] for i in wired.sources]
        if wired.op.name == "reshape":
            hashes += sources
        else:
            ordered = sources if wired.op.name in _ORDERED else sorted(sources)
            text = f"{wired.op} {ordered}"
            hashes.append(hashlib.sha256(text.encode()).hexdigest())
    return sorted(str(wired.op) for wired in graph if wired.op.name != "reshape"), hashes[-1]


def randomize(model: Any, seed: int = 0) -> Any:
    """Give every weight a small random value other than 0, variances a positive one."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        signs = 1.0 if "variance" in weight.path else rng.choice([-1.0, 1.0], weight.shape)
        weight.assign(rng.uniform(0.05, 0.5, weight.shape) * signs)
    return model


def convert(model: Any, *, quantized: bool = True) -> bytes:
    """The flatbuffer of ``model`` for batch size 1, in int8 or as it is.

    The converter gets a concrete function rather than the model: the same operators, faster.
    """
    import tensorflow as tf

    shape = (1, *model.input_shape[1:])
    function = tf.function(lambda x: model(x, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec(shape, tf.float32))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    if not quantized:
        floats: bytes = converter.convert()
        return floats
    return _converted(converter, shape)


def convert_slowly(model: Any) -> bytes:
    """As :func:`convert`, through ``from_keras_model`` and a copy whose batch size is 1."""
    import keras
    import tensorflow as tf

    shape = (1, *model.input_shape[1:])
    inputs = keras.Input(batch_shape=shape)
    fixed = keras.Model(inputs, model(inputs))
    return _converted(tf.lite.TFLiteConverter.from_keras_model(fixed), shape)


def _converted(converter: Any, shape: tuple[int, ...]) -> bytes:
    import tensorflow as tf

    rng = np.random.default_rng(0)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [rng.normal(0, 4, shape).astype(np.float32)] for _ in range(REPRESENTATIVE_SAMPLES)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    flat: bytes = converter.convert()
    return flat


def network_graph(network: Network) -> list[Wired]:
    """A Network in the oracle's terms."""
    return [Wired(_op_of(node.layer), node.inputs) for node in network.nodes]


def has_left_out_habit(network: Network) -> bool:
    """Whether the converter does something here that ``from_keras`` leaves out on purpose."""
    return any(
        _moves_a_bias(network, node)
        or _repeats_a_dense_layer(network, node)
        or _loses_a_hard_swish(network, node)
        or _is_a_mean_of_one(node)
        for node in network.nodes
    )


def _is_a_mean_of_one(node: Node) -> bool:
    """The mean of a single pixel is the pixel: the converter may leave it out."""
    layer = node.layer
    single = math.prod(layer.input_shape[:-1]) == 1
    return layer.operator is Operator.GLOBAL_AVERAGE_POOL2D and single


def _moves_a_bias(network: Network, node: Node) -> bool:
    """A linear layer feeds a dense one: the converter moves the bias."""
    source = _source(network, node)
    return (
        node.layer.operator is Operator.DENSE
        and source is not None
        and source.operator in PARAMETRIC
        and source.activation is Activation.NONE
    )


def _repeats_a_dense_layer(network: Network, node: Node) -> bool:
    """A rectifier and others read a dense layer: the converter computes it twice."""
    source = _source(network, node)
    return (
        node.layer.operator in (Operator.RELU, Operator.RELU6)
        and source is not None
        and source.operator is Operator.DENSE
        and source.activation is Activation.NONE
    )


def _loses_a_hard_swish(network: Network, node: Node) -> bool:
    """It is behind a reshape or before a rectifier: the converter leaves its parts."""
    value = node.inputs[0]
    before = network.nodes[value - 1].layer.operator if value else None
    operator = node.layer.operator
    if operator is Operator.HARD_SWISH:
        return before is Operator.RESHAPE
    return operator in (Operator.RELU, Operator.RELU6) and before is Operator.HARD_SWISH


def _source(network: Network, node: Node) -> Layer | None:
    """What makes a node's first input, reshapes seen through."""
    value = node.inputs[0]
    while value and network.nodes[value - 1].layer.is_free:
        value = network.nodes[value - 1].inputs[0]
    return network.nodes[value - 1].layer if value else None


def unknown_operators(graph: list[Wired]) -> set[str]:
    """Operators of the converter that hwnas has no name for."""
    return {wired.op.name for wired in graph} - set(_NAMES.values())


def _op_of(layer: Layer) -> Op:
    name = str(layer.operator)
    return Op(
        name,
        _inputs_of(name, layer.input_shapes),
        _essential(name, layer.output_shape),
        layer.kernel_size,
        layer.strides,
        layer.padding,
        layer.dilation,
        layer.depth_multiplier,
        layer.groups,
        layer.axis,
        math.prod(layer.operand) if layer.operand else 0,
        layer.operand_first,
        str(layer.activation),
        layer.use_bias,
    )


def _inputs_of(name: str, shapes: Iterable[Shape]) -> tuple[Shape, ...]:
    essential = [_essential(name, shape) for shape in shapes]
    return tuple(essential if name in _ORDERED else sorted(essential))


def _essential(name: str, shape: Shape) -> Shape:
    if name in _WINDOWED:
        return shape
    if name in _ELEMENTWISE:
        return (math.prod(shape),)
    while len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    return shape


class _Flatbuffer:
    """The one subgraph of a TFLite model."""

    def __init__(self, flat: bytes) -> None:
        self.model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(flat, 0))
        (self.graph,) = self.model.subgraphs

    def name(self, operator: Any) -> str:
        code = self.model.operatorCodes[operator.opcodeIndex]
        tflite = _BUILTINS[max(code.builtinCode, code.deprecatedBuiltinCode)]
        return _NAMES.get(tflite, tflite)

    def shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(int(n) for n in self.graph.tensors[tensor].shape)

    def data(self, tensor: int) -> Any:
        return self.model.buffers[self.graph.tensors[tensor].buffer].data

    def is_constant(self, tensor: int) -> bool:
        data = self.data(tensor)
        return data is not None and len(data) > 0


def converter_graph(flat: bytes) -> list[Wired]:
    """Every operator of a flatbuffer in execution order, under the names of hwnas.

    An operator that hwnas has no name for keeps its TFLite name.
    """
    reader = _Flatbuffer(flat)
    made_by = {int(reader.graph.inputs[0]): 0}
    graph = []
    for i, operator in enumerate(reader.graph.operators):
        op = _read_operator(reader, operator)
        sources = tuple(made_by[int(t)] for t in operator.inputs if int(t) in made_by)
        graph.append(Wired(op, sources))
        made_by[int(operator.outputs[0])] = i + 1
    return graph


def _read_operator(reader: _Flatbuffer, operator: Any) -> Op:
    name, options = reader.name(operator), operator.builtinOptions
    tensors = [int(tensor) for tensor in operator.inputs]
    # Of operators that hwnas lacks only the name counts.
    # The converter drops the batch of small operands: element-wise operators count all axes.
    first = 0 if name in _ELEMENTWISE else 1
    shapes = [reader.shape(t)[first:] for t in tensors if t >= 0 and not reader.is_constant(t)]
    output = _essential(name, reader.shape(operator.outputs[0])[first:])
    facts: dict[str, Any] = {}
    if name in _WINDOWED:
        facts = _window(reader, name, tensors, options, shapes[0], output)
    if name == "conv2d":
        facts["groups"] = shapes[0][-1] // reader.shape(tensors[1])[-1]
    if name == "depthwise_conv2d":
        facts["depth_multiplier"] = options.depthMultiplier
    if name in ("conv2d", "depthwise_conv2d", "dense"):
        # A missing bias is a tensor of zeros in some operators, no tensor in others.
        facts["bias"] = len(tensors) == 3 and tensors[2] >= 0 and any(reader.data(tensors[2]))
    if name in ("global_average_pool2d", "global_max_pool2d"):
        axes = np.frombuffer(bytes(reader.data(tensors[1])), np.int32)
        assert sorted(axes) == list(range(1, len(shapes[0]))), axes
    if name == "concatenation":
        rank = len(reader.shape(operator.outputs[0]))
        facts["axis"] = options.axis if options.axis < 0 else options.axis - rank
    if name == "pad":
        facts["padding"] = _padding(reader, tensors[1])
    if name in _BINARY:
        constants = [t for t in tensors if reader.is_constant(t)]
        facts["constant"] = sum(math.prod(reader.shape(t)) for t in constants)
        facts["constant_first"] = name == "sub" and tensors[0] in constants
    fused = getattr(options, "fusedActivationFunction", schema.ActivationFunctionType.NONE)
    inputs = _inputs_of(name, shapes)
    return Op(name, inputs, output, activation=_ACTIVATIONS[fused], **facts)


def _padding(reader: _Flatbuffer, tensor: int) -> tuple[int, int, int, int]:
    zeros = np.frombuffer(bytes(reader.data(tensor)), np.int32).reshape(-1, 2).tolist()
    assert zeros[0] == zeros[-1] == [0, 0], zeros
    (top, bottom), (left, right) = ([[0, 0], *zeros[1:-1]])[-2:]
    return top, left, bottom, right


def _window(
    reader: _Flatbuffer, name: str, inputs: list[int], options: Any, source: Shape, output: Shape
) -> dict[str, Any]:
    pool = name.endswith("pool2d")
    kernel = (options.filterHeight, options.filterWidth) if pool else reader.shape(inputs[1])[1:3]
    dilation = (1, 1) if pool else (options.dilationHFactor, options.dilationWFactor)
    strides = (options.strideH, options.strideW)
    (top, bottom), (left, right) = (
        _zeros(options.padding, source[i], output[i], kernel[i], strides[i], dilation[i])
        for i in (0, 1)
    )
    return {
        "kernel": kernel,
        "strides": strides,
        "padding": (top, left, bottom, right),
        "dilation": dilation,
    }


def _zeros(
    padding: int, size: int, out: int, kernel: int, stride: int, dilation: int
) -> tuple[int, int]:
    """Zeros before and after an axis, as TFLite's kernels compute them (kernels/padding.h)."""
    if padding == schema.Padding.VALID:
        return 0, 0
    total = max(0, (out - 1) * stride + (kernel - 1) * dilation + 1 - size)
    return total // 2, total - total // 2
