"""TFLite models as networks with parameters, and what TFLite for Microcontrollers computes.

The interpreter of the ``tflite_micro`` package, which runs its reference kernels on the host, is
the oracle of bit-exactness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema
from tflite_micro.python.tflite_micro import runtime

from hwnas.device import BoardClient
from hwnas.network import (
    Layer,
    Network,
    Node,
    Shape,
    add,
    average_pool2d,
    conv2d,
    dense,
    depthwise_conv2d,
    global_average_pool2d,
    max_pool2d,
    relu,
    relu6,
    reshape,
    softmax,
)
from hwnas.plan import (
    LayerParameters,
    NetworkParameters,
    TensorQuantization,
    compile_plan,
    layer_parameters,
)

Int8 = npt.NDArray[np.int8]
_CODES = schema.BuiltinOperator
_ACTIVATIONS = {
    schema.ActivationFunctionType.NONE: "none",
    schema.ActivationFunctionType.RELU: "relu",
    schema.ActivationFunctionType.RELU6: "relu6",
}
_PADDINGS = {schema.Padding.SAME: "same", schema.Padding.VALID: "valid"}


@dataclass(frozen=True)
class Model:
    """A flatbuffer and what hwnas makes of it."""

    flat: bytes
    network: Network
    parameters: NetworkParameters


def interpret(flat: bytes, image: Int8) -> Int8:
    """The output of TFLite for Microcontrollers, flattened."""
    interpreter = runtime.Interpreter.from_bytes(flat, arena_size=1 << 20)
    shape = interpreter.get_input_details(0)["shape"]
    interpreter.set_input(image.reshape(shape), 0)
    interpreter.invoke()
    output: Int8 = interpreter.get_output(0)
    return output.reshape(-1)


def run_on_board(client: BoardClient, model: Model, image: Int8) -> Int8:
    """The output of the firmware, flattened; the parameters travel with the plan."""
    plan = compile_plan(model.network, parameters=model.parameters, placement="arena")
    client.load(plan.data)
    for index, data in plan.arena_writes:
        client.write_tensor(index, data)
    client.write_tensor(plan.input_tensor, image.tobytes())
    client.run(warmup=0, per_layer=False, fill_inputs=False, step_count=len(plan.step_nodes))
    size = int(np.prod(model.network.output_shape))
    return np.frombuffer(client.read_tensor(plan.output_tensor, size), np.int8)


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
    """Network and parameters of an int8 flatbuffer with one input and one output."""
    reader = _Reader(schema.ModelT.InitFromObj(schema.Model.GetRootAs(flat, 0)))
    return Model(flat, *reader.read())


class _Reader:
    def __init__(self, model: Any) -> None:
        self._model = model
        self._graph = model.subgraphs[0]
        self._values = {int(self._graph.inputs[0]): 0}

    def read(self) -> tuple[Network, NetworkParameters]:
        source = int(self._graph.inputs[0])
        points = [self._quantization(source).zero_point]
        nodes, layers = [], []
        for number, operator in enumerate(self._graph.operators):
            code = self._model.operatorCodes[operator.opcodeIndex]
            builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
            inputs, output = [int(i) for i in operator.inputs], int(operator.outputs[0])
            layer = self._layer(builtin, operator.builtinOptions, inputs, output)
            sources = inputs[: len(layer.input_shapes)]
            nodes.append(Node(layer, tuple(self._values[i] for i in sources)))
            layers.append(self._parameters(layer, sources, inputs[len(sources) :], output))
            points.append(self._quantization(output).zero_point)
            self._values[output] = number + 1
        network = Network(self._shape(source), tuple(nodes))
        return network, NetworkParameters(tuple(points), tuple(layers))

    def _layer(self, builtin: int, options: Any, inputs: list[int], output: int) -> Layer:
        source, target = self._shape(inputs[0]), self._shape(output)
        plain = {
            _CODES.MEAN: global_average_pool2d,
            _CODES.SOFTMAX: softmax,
            _CODES.RELU: relu,
            _CODES.RELU6: relu6,
        }
        if builtin in plain:
            return plain[builtin](source)
        if builtin == _CODES.RESHAPE:
            return reshape(source, target)
        activation = _ACTIVATIONS[options.fusedActivationFunction]
        if builtin == _CODES.ADD:
            return add(source, activation=activation)
        biased = len(inputs) == 3 and inputs[2] >= 0
        if builtin == _CODES.FULLY_CONNECTED:
            return dense(source, target[0], activation=activation, use_bias=biased)
        window: dict[str, Any] = {
            "strides": (options.strideH, options.strideW),
            "padding": _PADDINGS[options.padding],
            "activation": activation,
        }
        if builtin in (_CODES.MAX_POOL_2D, _CODES.AVERAGE_POOL_2D):
            pool = max_pool2d if builtin == _CODES.MAX_POOL_2D else average_pool2d
            return pool(source, (options.filterHeight, options.filterWidth), **window)
        kernel = self._full_shape(inputs[1])[1:3]
        if builtin == _CODES.CONV_2D:
            return conv2d(source, target[2], kernel, use_bias=biased, **window)
        assert builtin == _CODES.DEPTHWISE_CONV_2D, builtin
        return depthwise_conv2d(
            source,
            kernel,
            depth_multiplier=target[2] // source[2],
            use_bias=biased,
            **window,
        )

    def _parameters(
        self, layer: Layer, sources: list[int], constants: list[int], output: int
    ) -> LayerParameters:
        if layer.is_free:
            return LayerParameters()
        given: dict[str, Any] = {}
        if constants and layer.operator != "global_average_pool2d":
            given["weights"] = self._data(constants[0])
            scales = self._graph.tensors[constants[0]].quantization.scale
            given["weight_scales"] = [float(s) for s in scales]
            if layer.use_bias:
                given["bias"] = np.frombuffer(self._data(constants[1]), "<i4").tolist()
        inputs = [self._quantization(i) for i in sources]
        return layer_parameters(layer, inputs, self._quantization(output), **given)

    def _full_shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(int(n) for n in self._graph.tensors[tensor].shape)

    def _shape(self, tensor: int) -> Shape:
        return self._full_shape(tensor)[1:]

    def _quantization(self, tensor: int) -> TensorQuantization:
        found = self._graph.tensors[tensor].quantization
        return TensorQuantization(float(found.scale[0]), int(found.zeroPoint[0]))

    def _data(self, tensor: int) -> bytes:
        return bytes(self._model.buffers[self._graph.tensors[tensor].buffer].data)
