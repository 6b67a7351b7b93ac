"""TFLite models with random parameters, int8 or float32, written directly, without tensorflow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from hwnas.network import (
    PARAMETRIC,
    Activation,
    DType,
    Layer,
    Network,
    Operator,
    Shape,
    same_padding,
)

Quantization = tuple[float, int]

_CODES = {
    Operator.CONV2D: schema.BuiltinOperator.CONV_2D,
    Operator.DEPTHWISE_CONV2D: schema.BuiltinOperator.DEPTHWISE_CONV_2D,
    Operator.DENSE: schema.BuiltinOperator.FULLY_CONNECTED,
    Operator.MAX_POOL2D: schema.BuiltinOperator.MAX_POOL_2D,
    Operator.AVERAGE_POOL2D: schema.BuiltinOperator.AVERAGE_POOL_2D,
    Operator.GLOBAL_AVERAGE_POOL2D: schema.BuiltinOperator.MEAN,
    Operator.SOFTMAX: schema.BuiltinOperator.SOFTMAX,
    Operator.RELU: schema.BuiltinOperator.RELU,
    Operator.RELU6: schema.BuiltinOperator.RELU6,
    Operator.ADD: schema.BuiltinOperator.ADD,
    Operator.SUB: schema.BuiltinOperator.SUB,
    Operator.MUL: schema.BuiltinOperator.MUL,
    Operator.CONCATENATION: schema.BuiltinOperator.CONCATENATION,
    Operator.PAD: schema.BuiltinOperator.PAD,
    Operator.GLOBAL_MAX_POOL2D: schema.BuiltinOperator.REDUCE_MAX,
    Operator.LOGISTIC: schema.BuiltinOperator.LOGISTIC,
    Operator.TANH: schema.BuiltinOperator.TANH,
    Operator.HARD_SWISH: schema.BuiltinOperator.HARD_SWISH,
    Operator.LEAKY_RELU: schema.BuiltinOperator.LEAKY_RELU,
    Operator.QUANTIZE: schema.BuiltinOperator.QUANTIZE,
    Operator.DEQUANTIZE: schema.BuiltinOperator.DEQUANTIZE,
    Operator.REQUANTIZE: schema.BuiltinOperator.QUANTIZE,
    Operator.RESHAPE: schema.BuiltinOperator.RESHAPE,
}
_ACTIVATIONS = {
    Activation.NONE: schema.ActivationFunctionType.NONE,
    Activation.RELU: schema.ActivationFunctionType.RELU,
    Activation.RELU6: schema.ActivationFunctionType.RELU6,
}
# TFLite demands one quantization for both sides of these; its RELU6 for microcontrollers clamps
# without rescaling, which is right only then.
_SAME_QUANTIZATION = {
    Operator.MAX_POOL2D,
    Operator.AVERAGE_POOL2D,
    Operator.GLOBAL_MAX_POOL2D,
    Operator.PAD,
    Operator.CONCATENATION,
    Operator.RESHAPE,
    Operator.RELU6,
}
# And the only quantization of what these make.
_GIVEN_QUANTIZATION = {
    Operator.SOFTMAX: (1 / 256, -128),
    Operator.LOGISTIC: (1 / 256, -128),
    Operator.TANH: (1 / 128, 0),
}
_PLAIN_OPTIONS = {
    Operator.GLOBAL_AVERAGE_POOL2D: "ReducerOptions",
    Operator.GLOBAL_MAX_POOL2D: "ReducerOptions",
    Operator.PAD: "PadOptions",
    Operator.HARD_SWISH: "HardSwishOptions",
    Operator.QUANTIZE: "QuantizeOptions",
    Operator.DEQUANTIZE: "DequantizeOptions",
    Operator.REQUANTIZE: "QuantizeOptions",
}
_NO_OPTIONS = {Operator.RELU, Operator.RELU6, Operator.LOGISTIC, Operator.TANH}
_TYPES = {
    "int8": schema.TensorType.INT8,
    "int32": schema.TensorType.INT32,
    "float32": schema.TensorType.FLOAT32,
}
_INT8_DEVIATION = 74.0
_LEAST_SCALE = 1e-5
"""Of what is computed: products of products would get too fine for softmax and its like."""
ALPHA = 0.17
"""Of every leaky rectifier."""


@dataclass(frozen=True)
class Extremes:
    """What of a model goes to the ends of its range instead of being drawn as training leaves it.

    Attributes:
        wide: Scales of activations are over three orders of magnitude, and far from those of the
            inputs.
        gain: Scales of weights are multiplied by 10 to the power of up to so much, or of as much
            below 0, channel by channel.
        weight: All weights; drawn where it is ``None``.
        bias: All biases; drawn where it is ``None``.
    """

    wide: bool = False
    gain: int = 0
    weight: int | None = None
    bias: int | None = None


USUAL = Extremes()


def random_model(network: Network, seed: int, extremes: Extremes = USUAL) -> bytes:
    """The flatbuffer of ``network`` with random weights, biases, scales and zero points."""
    quantized = network.dtype is DType.INT8
    writer = (_Writer if quantized else _FloatWriter)(np.random.default_rng(seed), extremes)
    floats = network.dtype_of(0) is DType.FLOAT32
    quantization = None if floats else writer.random_quantization()
    values = [writer.activation(network.input_shape, quantization)]
    for node in network.nodes:
        values.append(writer.node(node.layer, [values[i] for i in node.inputs]))
    return writer.finish(values[0], values[-1])


def halfway_model(layer: Layer, seed: int) -> bytes:
    """A layer with weights of 0, whose biases lie next to the middle between two outputs.

    They are so large that the last bits of a factor decide which of both comes out.
    """
    writer = _Writer(np.random.default_rng(seed), USUAL)
    source, target = (writer.random_quantization() for _ in range(2))
    values = [writer.activation(layer.input_shape, source)]
    values.append(writer.activation(layer.output_shape, target))
    constants = writer.halfway_constants(layer, source[0], target)
    writer.operator(_CODES[layer.operator], [values[0], *constants], values[1], _options(layer))
    return writer.finish(*values)


def requantizing_model(size: int, source: Quantization, target: Quantization) -> bytes:
    """A vector brought from one given quantization to another."""
    writer = _Writer(np.random.default_rng(0), USUAL)
    values = [writer.activation((size,), quantization) for quantization in (source, target)]
    writer.operator(
        schema.BuiltinOperator.QUANTIZE,
        [values[0]],
        values[1],
        (schema.BuiltinOptions.QuantizeOptions, schema.QuantizeOptionsT()),
    )
    return writer.finish(*values)


class _Writer:
    def __init__(self, random: np.random.Generator, extremes: Extremes) -> None:
        self._random = random
        self._extremes = extremes
        self._buffers: list[Any] = [schema.BufferT()]
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: list[int] = []
        self._quantization: dict[int, Quantization] = {}
        self._shapes: dict[int, Shape] = {}

    def random_quantization(self, scale: float | None = None) -> Quantization:
        """Zero points at both ends are as likely as all others together."""
        point = self._random.choice([-128, 127, *self._random.integers(-128, 128, 2)])
        if scale is None and self._extremes.wide:
            scale = float(10 ** self._random.uniform(-3, 0))
        if scale is None:
            scale = float(self._random.uniform(0.01, 0.2))
        return float(np.float32(scale)), int(point)

    def activation(self, shape: Shape, quantization: Quantization | None) -> int:
        """Floats where there is no quantization."""
        if quantization is None:
            return self._tensor((1, *shape), schema.TensorType.FLOAT32, None)
        index = self._tensor((1, *shape), schema.TensorType.INT8, [quantization[0]])
        self._tensors[index].quantization.zeroPoint = [quantization[1]]
        self._quantization[index] = quantization
        self._shapes[index] = shape
        return index

    def node(self, layer: Layer, inputs: list[int]) -> int:
        if layer.operator is Operator.CONCATENATION:
            inputs = [self._as_first(inputs[0], i) for i in inputs]
        operand = self.random_quantization() if layer.operand else None
        quantization = self._output_quantization(layer, inputs, operand)
        output = self.activation(layer.output_shape, quantization)
        constants = self._constants(layer, inputs, self._weight_scales(layer), operand)
        read = [*constants, *inputs] if layer.operand_first else [*inputs, *constants]
        self.operator(_CODES[layer.operator], read, output, _options(layer))
        return output

    def operator(self, code: int, inputs: list[int], output: int, options: tuple[int, Any]) -> None:
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(code)
        operator.inputs, operator.outputs = inputs, [output]
        operator.builtinOptionsType, operator.builtinOptions = options
        self._operators.append(operator)

    def _as_first(self, first: int, other: int) -> int:
        """Concatenation joins bytes: all inputs get the first one's quantization."""
        self._quantization[other] = self._quantization[first]
        self._tensors[other].quantization = self._tensors[first].quantization
        return other

    def finish(self, source: int, target: int) -> bytes:
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = [source], [target]
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers = 3, [graph], self._buffers
        model.operatorCodes = [self._operator_code(code) for code in self._codes]
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _weight_scales(self, layer: Layer) -> list[float]:
        """Such that a sum's deviation is about the input's."""
        if layer.operator not in PARAMETRIC:
            return []
        taps = math.prod(layer.kernel_size)
        if layer.operator is not Operator.DEPTHWISE_CONV2D:
            taps *= layer.input_shape[-1] // layer.groups
        count = 1 if layer.operator is Operator.DENSE else layer.output_shape[-1]
        scales = self._random.uniform(0.5, 1.5, count) / (_INT8_DEVIATION * math.sqrt(taps))
        if self._extremes.gain:
            gain = self._extremes.gain
            scales *= 10 ** self._random.uniform(-gain, gain, count)
        return [float(s) for s in scales.astype(np.float32)]

    def _output_quantization(
        self, layer: Layer, inputs: list[int], operand: Quantization | None
    ) -> Quantization | None:
        if layer.operator in _SAME_QUANTIZATION:
            return self._quantization[inputs[0]]
        if layer.operator in _GIVEN_QUANTIZATION:
            return _GIVEN_QUANTIZATION[layer.operator]
        if layer.operator is Operator.DEQUANTIZE:
            return None
        if layer.operator in (Operator.QUANTIZE, Operator.REQUANTIZE):
            return self.random_quantization()
        scales = [self._quantization[i][0] for i in inputs]
        scale = max(scales)
        if operand is not None and layer.operator is not Operator.MUL:
            scale += operand[0]  # A sum is no finer than what is added.
        if layer.operator is Operator.MUL and not layer.operand:
            # As large as the products are, and far larger than a step of them.
            scale = min(math.prod(scales) * float(self._random.choice([3, 30, 200])), 0.5)
        scale = max(scale, _LEAST_SCALE)
        if self._extremes.wide:
            return self.random_quantization(scale * float(10 ** self._random.uniform(-1.9, 2.5)))
        return self.random_quantization(scale * float(self._random.uniform(0.6, 1.5)))

    def _constants(
        self,
        layer: Layer,
        inputs: list[int],
        weight_scales: list[float],
        operand: Quantization | None,
    ) -> list[int]:
        if layer.operator in (Operator.GLOBAL_AVERAGE_POOL2D, Operator.GLOBAL_MAX_POOL2D):
            return [self._constant(np.array([1, 2], np.int32))]
        if layer.operator is Operator.PAD:
            top, left, bottom, right = layer.padding
            amounts = [[0, 0], [top, bottom], [left, right], [0, 0]]
            return [self._constant(np.array(amounts, np.int32))]
        if layer.operand:
            assert operand is not None
            return [self._operand(layer, operand)]
        if layer.operator is Operator.RESHAPE:
            return [self._constant(np.array([1, *layer.output_shape], np.int32))]
        if not weight_scales:
            return []
        channels = layer.output_shape[-1]
        weights = self._random.integers(-127, 128, _filter_shape(layer), dtype=np.int8)
        if self._extremes.weight is not None:
            weights.fill(self._extremes.weight)
        axis = 3 if layer.operator is Operator.DEPTHWISE_CONV2D else 0
        constants = [self._constant(weights, weight_scales, axis)]
        if layer.use_bias:
            input_scale = np.float32(self._quantization[inputs[0]][0])
            scales = [float(input_scale * np.float32(s)) for s in weight_scales]
            bias = self._random.integers(-9000, 9000, channels, dtype=np.int32)
            if self._extremes.bias is not None:
                bias.fill(self._extremes.bias)
            constants.append(self._constant(bias, scales))
        return constants

    def halfway_constants(self, layer: Layer, source: float, target: Quantization) -> list[int]:
        channels = layer.output_shape[-1]
        count = 1 if layer.operator is Operator.DENSE else channels
        scales = [float(np.float32(s)) for s in self._random.uniform(2e-8, 4e-8, count)]
        factors = np.array([source * s / target[0] for s in scales])
        outputs = self._random.integers(-128, 127, channels) - target[1] + 0.5
        bias = np.clip(np.rint(outputs / factors), -(1 << 30), 1 << 30)
        bias += self._random.integers(-3, 4, channels)
        axis = 3 if layer.operator is Operator.DEPTHWISE_CONV2D else 0
        weights = np.zeros(_filter_shape(layer), np.int8)
        bias_scales = [float(np.float32(source * s)) for s in scales]
        return [
            self._constant(weights, scales, axis),
            self._constant(bias.astype(np.int32), bias_scales),
        ]

    def _operand(self, layer: Layer, quantization: Quantization) -> int:
        values = self._random.integers(-128, 128, layer.operand, dtype=np.int8)
        if values.size == 1 and layer.operator is not Operator.MUL:
            # A summand far from zero would saturate all outputs.
            near = quantization[1] + self._random.integers(-50, 51, layer.operand)
            values = np.clip(near, -128, 127).astype(np.int8)
        index = self._constant(values, [quantization[0]])
        self._tensors[index].quantization.zeroPoint = [quantization[1]]
        return index

    def _constant(
        self,
        values: npt.NDArray[Any],
        scales: list[float] | None = None,
        axis: int = 0,
    ) -> int:
        index = self._tensor(values.shape, _TYPES[values.dtype.name], scales, axis)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self._buffers.append(buffer)
        self._tensors[index].buffer = len(self._buffers) - 1
        return index

    def _tensor(
        self, shape: tuple[int, ...], kind: int, scales: list[float] | None, axis: int = 0
    ) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.hasRank = list(shape), kind, True
        tensor.name = f"t{len(self._tensors)}".encode()
        if scales is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = scales
            tensor.quantization.zeroPoint = [0] * len(scales)
            tensor.quantization.quantizedDimension = axis
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _code(self, builtin: int) -> int:
        if builtin not in self._codes:
            self._codes.append(builtin)
        return self._codes.index(builtin)

    @staticmethod
    def _operator_code(builtin: int) -> Any:
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = builtin
        return code


class _FloatWriter(_Writer):
    """Of models without quantization."""

    def node(self, layer: Layer, inputs: list[int]) -> int:
        output = self.activation(layer.output_shape, None)
        constants = [self._floats(shape, scale) for shape, scale in _float_constants(layer)]
        constants = constants or self._constants(layer, inputs, [], None)
        read = [*constants, *inputs] if layer.operand_first else [*inputs, *constants]
        self.operator(_CODES[layer.operator], read, output, _options(layer))
        return output

    def _floats(self, shape: Shape, scale: float) -> int:
        return self._constant(self._random.normal(0, scale, shape).astype(np.float32))


def _float_constants(layer: Layer) -> list[tuple[Shape, float]]:
    """Shapes and deviations, such that a sum's deviation is about the input's."""
    if layer.operand:
        return [(layer.operand, 1.0)]
    if layer.operator not in PARAMETRIC:
        return []
    shape, channels = _filter_shape(layer), layer.output_shape[-1]
    products = math.prod(shape) // channels
    return [(shape, 1 / math.sqrt(products)), ((channels,), 0.3)][: 1 + layer.use_bias]


def _filter_shape(layer: Layer) -> Shape:
    channels = layer.output_shape[-1]
    return {
        Operator.CONV2D: (channels, *layer.kernel_size, layer.input_shape[-1] // layer.groups),
        Operator.DEPTHWISE_CONV2D: (1, *layer.kernel_size, channels),
        Operator.DENSE: (channels, layer.input_shape[-1]),
    }[layer.operator]


def _options(layer: Layer) -> tuple[int, Any]:
    kinds = schema.BuiltinOptions
    activation = _ACTIVATIONS[layer.activation]
    if layer.operator is Operator.RESHAPE:
        reshape = schema.ReshapeOptionsT()
        reshape.newShape = [1, *layer.output_shape]
        return kinds.ReshapeOptions, reshape
    if layer.operator is Operator.SOFTMAX:
        softmax = schema.SoftmaxOptionsT()
        softmax.beta = 1.0
        return kinds.SoftmaxOptions, softmax
    if layer.operator in _PLAIN_OPTIONS:
        name = _PLAIN_OPTIONS[layer.operator]
        return getattr(kinds, name), getattr(schema, f"{name}T")()
    if layer.operator in _NO_OPTIONS:
        return kinds.NONE, None
    if layer.operator is Operator.LEAKY_RELU:
        leaky = schema.LeakyReluOptionsT()
        leaky.alpha = ALPHA
        return kinds.LeakyReluOptions, leaky
    if layer.operator is Operator.CONCATENATION:
        joined = schema.ConcatenationOptionsT()
        joined.axis = 1 + len(layer.output_shape) + layer.axis
        return kinds.ConcatenationOptions, joined
    kind, options = {
        Operator.CONV2D: (kinds.Conv2DOptions, schema.Conv2DOptionsT),
        Operator.DEPTHWISE_CONV2D: (
            kinds.DepthwiseConv2DOptions,
            schema.DepthwiseConv2DOptionsT,
        ),
        Operator.DENSE: (kinds.FullyConnectedOptions, schema.FullyConnectedOptionsT),
        Operator.MAX_POOL2D: (kinds.Pool2DOptions, schema.Pool2DOptionsT),
        Operator.AVERAGE_POOL2D: (kinds.Pool2DOptions, schema.Pool2DOptionsT),
        Operator.ADD: (kinds.AddOptions, schema.AddOptionsT),
        Operator.SUB: (kinds.SubOptions, schema.SubOptionsT),
        Operator.MUL: (kinds.MulOptions, schema.MulOptionsT),
    }[layer.operator]
    written = options()
    written.fusedActivationFunction = activation
    if hasattr(written, "strideH"):
        written.strideH, written.strideW = layer.strides
        written.padding = _padding(layer)
    if hasattr(written, "filterHeight"):
        written.filterHeight, written.filterWidth = layer.kernel_size
    if hasattr(written, "dilationHFactor"):
        written.dilationHFactor, written.dilationWFactor = layer.dilation
    if layer.operator is Operator.DEPTHWISE_CONV2D:
        written.depthMultiplier = layer.depth_multiplier
    return kind, written


def _padding(layer: Layer) -> int:
    """TFLite knows two paddings only; a layer that has neither cannot be written."""
    if layer.padding == (0, 0, 0, 0):
        height, width, _ = layer.input_shape
        outputs = [
            (size - (kernel - 1) * dilation - 1) // stride + 1
            for size, kernel, stride, dilation in zip(
                (height, width), layer.kernel_size, layer.strides, layer.dilation, strict=True
            )
        ]
        assert tuple(outputs) == layer.output_shape[:2]
        return int(schema.Padding.VALID)
    rows, columns = (
        same_padding(size, kernel, stride, dilation)
        for size, kernel, stride, dilation in zip(
            layer.input_shape[:2], layer.kernel_size, layer.strides, layer.dilation, strict=True
        )
    )
    assert (rows[0], columns[0], rows[1], columns[1]) == layer.padding
    return int(schema.Padding.SAME)
