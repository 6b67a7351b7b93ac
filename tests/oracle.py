"""TFLite models as networks with parameters, and what TFLite for Microcontrollers computes.

The interpreter of the ``tflite_micro`` package, which runs its reference kernels on the host, is
the oracle of bit-exactness.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tflite_micro.python.tflite_micro import runtime

from hwnas.device import BoardClient
from hwnas.kernels import CMSIS_NN, REFERENCE
from hwnas.network import DType, Network
from hwnas.plan import NetworkParameters, compile_plan
from hwnas.tflite_io._file import read_graph
from hwnas.tflite_io._read import NetworkReader

Values = npt.NDArray[np.int8] | npt.NDArray[np.float32]
"""Of a network's ends; floats at those of a network that quantizes or dequantizes."""
EXACT_KERNELS = (CMSIS_NN.name, REFERENCE.name)
"""The kernel sets that give the interpreter's bits."""
_NUMPY = {DType.INT8: np.int8, DType.FLOAT32: np.float32}


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
    reader = NetworkReader(read_graph(flat), trained=True)
    trained = reader.trained_network()
    return Model(flat, trained.network, trained.parameters, tuple(reader.tensors()))
