"""Int8 TFLite models with random parameters, written directly, without tensorflow."""

from __future__ import annotations

import math
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from hwnas.network import (
    PARAMETRIC,
    Activation,
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
    Operator.RESHAPE,
    Operator.RELU6,
}
_INT8_DEVIATION = 74.0


def random_model(network: Network, seed: int) -> bytes:
    """The flatbuffer of ``network`` with random weights, biases, scales and zero points."""
    writer = _Writer(np.random.default_rng(seed))
    values = [writer.activation(network.input_shape, writer.random_quantization())]
    for node in network.nodes:
        values.append(writer.node(node.layer, [values[i] for i in node.inputs]))
    return writer.finish(values[0], values[-1])


class _Writer:
    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self._buffers: list[Any] = [schema.BufferT()]
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: list[int] = []
        self._quantization: dict[int, Quantization] = {}
        self._shapes: dict[int, Shape] = {}

    def random_quantization(self, scale: float | None = None) -> Quantization:
        """Zero points at both ends are as likely as all others together."""
        point = self._random.choice([-128, 127, *self._random.integers(-128, 128, 2)])
        if scale is None:
            scale = float(self._random.uniform(0.01, 0.2))
        return float(np.float32(scale)), int(point)

    def activation(self, shape: Shape, quantization: Quantization) -> int:
        index = self._tensor((1, *shape), schema.TensorType.INT8, [quantization[0]])
        self._tensors[index].quantization.zeroPoint = [quantization[1]]
        self._quantization[index] = quantization
        self._shapes[index] = shape
        return index

    def node(self, layer: Layer, inputs: list[int]) -> int:
        output = self.activation(layer.output_shape, self._output_quantization(layer, inputs))
        constants = self._constants(layer, inputs, self._weight_scales(layer))
        kind, options = _options(layer)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(_CODES[layer.operator])
        operator.inputs, operator.outputs = [*inputs, *constants], [output]
        operator.builtinOptionsType, operator.builtinOptions = kind, options
        self._operators.append(operator)
        return output

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
            taps *= layer.input_shape[-1]
        count = 1 if layer.operator is Operator.DENSE else layer.output_shape[-1]
        scales = self._random.uniform(0.5, 1.5, count) / (_INT8_DEVIATION * math.sqrt(taps))
        return [float(s) for s in scales.astype(np.float32)]

    def _output_quantization(self, layer: Layer, inputs: list[int]) -> Quantization:
        if layer.operator in _SAME_QUANTIZATION:
            return self._quantization[inputs[0]]
        if layer.operator is Operator.SOFTMAX:
            return (1 / 256, -128)
        scale = max(self._quantization[i][0] for i in inputs)
        return self.random_quantization(scale * float(self._random.uniform(0.6, 1.5)))

    def _constants(self, layer: Layer, inputs: list[int], weight_scales: list[float]) -> list[int]:
        if layer.operator is Operator.GLOBAL_AVERAGE_POOL2D:
            return [self._constant(np.array([1, 2], np.int32))]
        if layer.operator is Operator.RESHAPE:
            return [self._constant(np.array([1, *layer.output_shape], np.int32))]
        if not weight_scales:
            return []
        channels = layer.output_shape[-1]
        shape = {
            Operator.CONV2D: (channels, *layer.kernel_size, layer.input_shape[-1]),
            Operator.DEPTHWISE_CONV2D: (1, *layer.kernel_size, channels),
            Operator.DENSE: (channels, layer.input_shape[-1]),
        }[layer.operator]
        weights = self._random.integers(-127, 128, shape, dtype=np.int8)
        axis = 3 if layer.operator is Operator.DEPTHWISE_CONV2D else 0
        constants = [self._constant(weights, weight_scales, axis)]
        if layer.use_bias:
            input_scale = np.float32(self._quantization[inputs[0]][0])
            scales = [float(input_scale * np.float32(s)) for s in weight_scales]
            bias = self._random.integers(-9000, 9000, channels, dtype=np.int32)
            constants.append(self._constant(bias, scales))
        return constants

    def _constant(
        self,
        values: npt.NDArray[Any],
        scales: list[float] | None = None,
        axis: int = 0,
    ) -> int:
        kind = schema.TensorType.INT8 if values.dtype == np.int8 else schema.TensorType.INT32
        index = self._tensor(values.shape, kind, scales, axis)
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
    if layer.operator is Operator.GLOBAL_AVERAGE_POOL2D:
        return kinds.ReducerOptions, schema.ReducerOptionsT()
    if layer.operator in (Operator.RELU, Operator.RELU6):
        return kinds.NONE, None
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
    }[layer.operator]
    written = options()
    written.fusedActivationFunction = activation
    if hasattr(written, "strideH"):
        written.strideH, written.strideW = layer.strides
        written.padding = _padding(layer)
    if hasattr(written, "filterHeight"):
        written.filterHeight, written.filterWidth = layer.kernel_size
    if layer.operator is Operator.DEPTHWISE_CONV2D:
        written.depthMultiplier = layer.depth_multiplier
    return kind, written


def _padding(layer: Layer) -> int:
    """TFLite knows two paddings only; a layer that has neither cannot be written."""
    if layer.padding == (0, 0, 0, 0):
        height, width, _ = layer.input_shape
        outputs = [
            (size - kernel) // stride + 1
            for size, kernel, stride in zip(
                (height, width), layer.kernel_size, layer.strides, strict=True
            )
        ]
        assert tuple(outputs) == layer.output_shape[:2]
        return int(schema.Padding.VALID)
    rows, columns = (
        same_padding(size, kernel, stride)
        for size, kernel, stride in zip(
            layer.input_shape[:2], layer.kernel_size, layer.strides, strict=True
        )
    )
    assert (rows[0], columns[0], rows[1], columns[1]) == layer.padding
    return int(schema.Padding.SAME)
