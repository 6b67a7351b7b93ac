"""TFLite models as networks with parameters, and what TFLite for Microcontrollers computes.

The interpreter of the ``tflite_micro`` package, which runs its reference kernels on the host, is
the oracle of bit-exactness.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema
from tflite_micro.python.tflite_micro import runtime

from hwnas.device import BoardClient
from hwnas.kernels import CMSIS_NN, REFERENCE
from hwnas.network import (
    PARAMETRIC,
    DType,
    Layer,
    Network,
    Node,
    Operator,
    Shape,
    average_pool2d,
    binary,
    concatenation,
    conv2d,
    dense,
    depthwise_conv2d,
    dequantize,
    global_average_pool2d,
    global_max_pool2d,
    hard_swish,
    leaky_relu,
    logistic,
    max_pool2d,
    pad,
    quantize,
    relu,
    relu6,
    requantize,
    reshape,
    softmax,
    tanh,
)
from hwnas.plan import (
    LayerParameters,
    NetworkParameters,
    TensorQuantization,
    compile_plan,
    float_parameters,
    layer_parameters,
)

Values = npt.NDArray[np.int8] | npt.NDArray[np.float32]
"""Of a network's ends; floats at those of a network that quantizes or dequantizes."""
EXACT_KERNELS = (CMSIS_NN.name, REFERENCE.name)
"""The kernel sets that give the interpreter's bits."""
_NUMPY = {DType.INT8: np.int8, DType.FLOAT32: np.float32}
_CODES = schema.BuiltinOperator
_ACTIVATIONS = {
    schema.ActivationFunctionType.NONE: "none",
    schema.ActivationFunctionType.RELU: "relu",
    schema.ActivationFunctionType.RELU6: "relu6",
}
_PLAIN = {
    _CODES.MEAN: global_average_pool2d,
    _CODES.REDUCE_MAX: global_max_pool2d,
    _CODES.SOFTMAX: softmax,
    _CODES.RELU: relu,
    _CODES.RELU6: relu6,
    _CODES.LEAKY_RELU: leaky_relu,
    _CODES.LOGISTIC: logistic,
    _CODES.TANH: tanh,
    _CODES.HARD_SWISH: hard_swish,
    _CODES.QUANTIZE: quantize,
    _CODES.DEQUANTIZE: dequantize,
}
_BINARY = {
    _CODES.ADD: Operator.ADD,
    _CODES.SUB: Operator.SUB,
    _CODES.MUL: Operator.MUL,
}
_PADDINGS = {schema.Padding.SAME: "same", schema.Padding.VALID: "valid"}


@dataclass(frozen=True)
class Model:
    """A flatbuffer and what hwnas makes of it; ``tensors`` numbers the tensor of each value."""

    flat: bytes
    network: Network
    parameters: NetworkParameters
    tensors: tuple[int, ...]


def interpret(flat: bytes, image: Values) -> Values:
    """The output of TFLite for Microcontrollers, flattened."""
    interpreter = runtime.Interpreter.from_bytes(flat, arena_size=1 << 20)
    shape = interpreter.get_input_details(0)["shape"]
    interpreter.set_input(image.reshape(shape), 0)
    interpreter.invoke()
    output: Values = interpreter.get_output(0)
    return output.reshape(-1)


def interpret_layers(model: Model) -> Callable[[Values], list[Values]]:
    """What makes, of an input, every value of the network, flattened."""
    interpreter = runtime.Interpreter.from_bytes(
        model.flat,
        arena_size=1 << 24,
        intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,
    )
    shape = interpreter.get_input_details(0)["shape"]

    def interpret(image: Values) -> list[Values]:
        interpreter.set_input(image.reshape(shape), 0)
        interpreter.invoke()
        # A number that no tensor has would crash the process.
        return [
            interpreter.GetTensor(tensor, 0)["tensor_data"].reshape(-1) for tensor in model.tensors
        ]

    return interpret


def run_on_board(
    client: BoardClient, model: Model, inputs: list[Values], kernel_set: str
) -> list[Values]:
    """The outputs of the firmware, flattened; the parameters travel with the plan, once."""
    plan = compile_plan(
        model.network, parameters=model.parameters, placement="arena", kernel_set=kernel_set
    )
    client.load(plan.data)
    for index, data in plan.arena_writes:
        client.write_tensor(index, data)
    kind = np.dtype(_NUMPY[model.network.layers[-1].output_dtype])
    size = int(np.prod(model.network.output_shape)) * kind.itemsize
    outputs: list[Values] = []
    for image in inputs:
        client.write_tensor(plan.input_tensor, image.tobytes())
        client.run(warmup=0, per_layer=False, fill_inputs=False, step_count=len(plan.step_nodes))
        outputs.append(np.frombuffer(client.read_tensor(plan.output_tensor, size), kind))
    return outputs


def images(network: Network, seed: int, count: int = 2) -> list[Values]:
    """Uniform values, and values near the ends, where kernels saturate."""
    random = np.random.default_rng(seed)
    size = int(np.prod(network.input_shape))
    if network.dtype_of(0) is DType.FLOAT32:
        return floats(random, size, count)
    uniform = random.integers(-128, 128, (count - 1, size), dtype=np.int8)
    ends = random.choice(np.array([-128, -127, 126, 127], np.int8), size)
    return [*uniform, ends]


def floats(random: np.random.Generator, size: int, count: int) -> list[Values]:
    """Values around int8's range, halves of the scales that occur, and huge and tiny ones."""
    special = np.array(
        [0.0, -0.0, 1e-45, -1e-38, 0.005, 0.015, 0.025, 0.125, 0.5, -0.5, 1.5, 1e6, -1e6, 1e5],
        np.float32,
    )
    uniform = random.normal(0, 5, (count - 1, size)).astype(np.float32)
    return [*uniform, random.choice(special, size)]


def assert_exact(client: BoardClient, model: Model, inputs: list[Values]) -> None:
    expected = [interpret(model.flat, image) for image in inputs]
    for kernel_set in EXACT_KERNELS:
        outputs = run_on_board(client, model, inputs, kernel_set)
        for wanted, found in zip(expected, outputs, strict=True):
            wrong = np.flatnonzero(wanted != found)
            assert wrong.size == 0, (
                f"{kernel_set}: {[layer.describe() for layer in model.network.layers]}: "
                f"{wrong.size} of {wanted.size} outputs differ, at {wrong[:5]}: "
                f"{wanted[wrong[:5]]} expected, {found[wrong[:5]]} found"
            )


def convert(model: Any) -> bytes:
    """A Keras model through TFLite's own converter, one weight scale a dense layer."""
    import tensorflow as tf

    shape = (1, *model.input_shape[1:])
    function = tf.function(lambda x: model(x, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec(shape, tf.float32))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    random = np.random.default_rng(0)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [random.normal(0, 1, shape).astype(np.float32)] for _ in range(8)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    flat: bytes = converter.convert()
    return flat


def read_model(flat: bytes) -> Model:
    """Network and parameters of a flatbuffer with one input and one output."""
    reader = _Reader(schema.ModelT.InitFromObj(schema.Model.GetRootAs(flat, 0)))
    network, parameters = reader.read()
    return Model(flat, network, parameters, tuple(reader.tensors))


class _Reader:
    def __init__(self, model: Any) -> None:
        self._model = model
        self._graph = model.subgraphs[0]
        self._values = {int(self._graph.inputs[0]): 0}
        quantized = any(t.type == schema.TensorType.INT8 for t in self._graph.tensors)
        self._dtype = DType.INT8 if quantized else DType.FLOAT32
        self._nodes: list[Node] = []
        self._layers: list[LayerParameters] = []
        self.tensors = [int(self._graph.inputs[0])]

    def read(self) -> tuple[Network, NetworkParameters]:
        for operator in self._graph.operators:
            code = self._model.operatorCodes[operator.opcodeIndex]
            builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
            inputs, output = [int(i) for i in operator.inputs], int(operator.outputs[0])
            first = builtin in _BINARY and inputs[0] not in self._values
            if first:
                inputs.reverse()  # a step's constants come last here
            if builtin == _CODES.FULLY_CONNECTED:
                self._flatten(inputs[0])
            layer = self._layer(builtin, operator.builtinOptions, inputs, output, first)
            layer = replace(layer, dtype=self._dtype)
            sources = inputs[: len(layer.input_shapes)]
            constants = inputs[len(sources) :]
            alpha = getattr(operator.builtinOptions, "alpha", 0.0)
            parameters = self._parameters(layer, sources, constants, output, alpha)
            self._append(layer, sources, parameters, output)
        points = tuple(self._quantization(tensor).zero_point for tensor in self.tensors)
        network = Network(self._shape(self.tensors[0]), tuple(self._nodes), self._dtype)
        return network, NetworkParameters(points, tuple(self._layers))

    def _append(
        self, layer: Layer, sources: list[int], parameters: LayerParameters, output: int
    ) -> None:
        self._nodes.append(Node(layer, tuple(self._values[i] for i in sources)))
        self._layers.append(parameters)
        self._values[output] = len(self._nodes)
        self.tensors.append(output)

    def _flatten(self, tensor: int) -> None:
        """A dense layer of TensorFlow Lite takes any shape; that of a network takes a vector."""
        shape = self._shape(tensor)
        if len(shape) > 1:
            flat = reshape(shape, (int(np.prod(shape)),))
            self._append(flat, [tensor], LayerParameters(), tensor)

    def _layer(
        self, builtin: int, options: Any, inputs: list[int], output: int, constant_first: bool
    ) -> Layer:
        source, target = self._shape(inputs[0]), self._shape(output)
        if builtin == _CODES.QUANTIZE and self._is_int8(inputs[0]):
            return requantize(source)
        if builtin in _PLAIN:
            return _PLAIN[builtin](source)
        if builtin == _CODES.PAD:
            amounts = np.frombuffer(self._data(inputs[1]), "<i4").reshape(4, 2)[1:3].T
            top, left, bottom, right = (int(n) for n in amounts.flat)
            return pad(source, (top, left, bottom, right))
        if builtin == _CODES.CONCATENATION:
            axis = int(options.axis)
            rank = len(self._full_shape(output))
            return concatenation(
                [self._shape(i) for i in inputs], axis=axis if axis < 0 else axis - rank
            )
        if builtin == _CODES.RESHAPE:
            return reshape(source, target)
        activation = _ACTIVATIONS[options.fusedActivationFunction]
        if builtin in _BINARY:
            constant = inputs[1] not in self._values
            return binary(
                _BINARY[builtin],
                source,
                () if constant else self._shape(inputs[1]),
                operand=self._full_shape(inputs[1]) if constant else (),
                operand_first=constant_first and builtin == _CODES.SUB,
                activation=activation,
            )
        biased = len(inputs) == 3 and inputs[2] >= 0
        if builtin == _CODES.FULLY_CONNECTED:
            source = (int(np.prod(source)),)
            return dense(source, target[0], activation=activation, use_bias=biased)
        window: dict[str, Any] = {
            "strides": (options.strideH, options.strideW),
            "padding": _PADDINGS[options.padding],
            "activation": activation,
        }
        if builtin in (_CODES.MAX_POOL_2D, _CODES.AVERAGE_POOL_2D):
            pool = max_pool2d if builtin == _CODES.MAX_POOL_2D else average_pool2d
            return pool(source, (options.filterHeight, options.filterWidth), **window)
        filters = self._full_shape(inputs[1])
        kernel = filters[1:3]
        window["dilation"] = (options.dilationHFactor, options.dilationWFactor)
        if builtin == _CODES.CONV_2D:
            groups = source[2] // filters[3]
            return conv2d(source, target[2], kernel, groups=groups, use_bias=biased, **window)
        assert builtin == _CODES.DEPTHWISE_CONV_2D, builtin
        return depthwise_conv2d(
            source,
            kernel,
            depth_multiplier=target[2] // source[2],
            use_bias=biased,
            **window,
        )

    def _parameters(
        self, layer: Layer, sources: list[int], constants: list[int], output: int, alpha: float
    ) -> LayerParameters:
        if layer.is_free:
            return LayerParameters()
        if self._dtype is DType.FLOAT32:
            return self._float_parameters(layer, constants, alpha)
        given: dict[str, Any] = {"alpha": alpha}
        if layer.operand:
            given["operand"] = self._data(constants[0])
            given["operand_quantization"] = self._quantization(constants[0])
        if layer.operator in PARAMETRIC:
            given["weights"] = self._data(constants[0])
            scales = self._graph.tensors[constants[0]].quantization.scale
            given["weight_scales"] = [float(s) for s in scales]
            if layer.use_bias:
                given["bias"] = np.frombuffer(self._data(constants[1]), "<i4").tolist()
        inputs = [self._quantization(i) for i in sources]
        return layer_parameters(layer, inputs, self._quantization(output), **given)

    def _float_parameters(
        self, layer: Layer, constants: list[int], alpha: float
    ) -> LayerParameters:
        given: dict[str, Any] = {"alpha": alpha}
        if layer.operand:
            given["operand"] = self._data(constants[0])
        if layer.operator in PARAMETRIC:
            given["weights"] = self._data(constants[0])
            if layer.use_bias:
                given["bias"] = np.frombuffer(self._data(constants[1]), "<f4").tolist()
        return float_parameters(layer, **given)

    def _full_shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(int(n) for n in self._graph.tensors[tensor].shape)

    def _shape(self, tensor: int) -> Shape:
        return self._full_shape(tensor)[1:]

    def _quantization(self, tensor: int) -> TensorQuantization:
        found = self._graph.tensors[tensor].quantization
        if found is None or found.scale is None:
            return TensorQuantization(1.0, 0)  # floats
        return TensorQuantization(float(found.scale[0]), int(found.zeroPoint[0]))

    def _is_int8(self, tensor: int) -> bool:
        return bool(self._graph.tensors[tensor].type == schema.TensorType.INT8)

    def _data(self, tensor: int) -> bytes:
        return bytes(self._model.buffers[self._graph.tensors[tensor].buffer].data)
