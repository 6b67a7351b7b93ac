"""What every kernel must compute from seeded values, on whatever board."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, replace
from hashlib import shake_256
from typing import Final

import numpy as np

from hwnas.arena import tensor_bytes
from hwnas.device.client import BoardClient
from hwnas.kernels import KERNEL_SETS
from hwnas.network import (
    DType,
    Layer,
    Network,
    NetworkBuilder,
    Node,
    Operator,
    add,
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
    softmax,
    tanh,
)
from hwnas.plan import (
    ExecutionPlan,
    LayerParameters,
    NetworkParameters,
    ParameterKind,
    TensorQuantization,
    compile_plan,
    float_parameters,
    layer_parameters,
    parameter_counts,
)

_SCALE: Final = 0.1
_ZERO_POINT: Final = -3
_DEVIATION: Final = 74.0
"""Standard deviation of uniform int8 values: it brings sums back to int8."""


@dataclass(frozen=True, slots=True)
class KernelCase:
    """A kernel, and what it must compute from seeded values.

    Attributes:
        layer: What is computed.
        crc32: Of the output's bytes.
        fused_crc32: Of what code gives that rounds a product and a sum at once, as compilers make
            it for the Cortex-M7; ``None`` where that is the same.
    """

    layer: Layer
    crc32: int
    fused_crc32: int | None = None

    def accepts(self, output: bytes) -> bool:
        """Whether this is what the kernel must compute."""
        return zlib.crc32(output) in (self.crc32, self.fused_crc32)

    @property
    def kernel_sets(self) -> tuple[str, ...]:
        """The sets that must compute it: all of its type."""
        return tuple(name for name, of in KERNEL_SETS.items() if of.dtype is self.layer.dtype)

    def describe(self) -> str:
        """Short text for people."""
        floats = "" if self.layer.dtype is DType.INT8 else "float32 "
        return f"{floats}{self.layer.describe()}"


def _floats_case(layer: Layer, crc32: int, fused_crc32: int | None = None) -> KernelCase:
    return KernelCase(replace(layer, dtype=DType.FLOAT32), crc32, fused_crc32)


KERNEL_CASES: Final = (
    KernelCase(conv2d((9, 8, 3), 6, 3, activation="relu"), 0x9211_BBC6),
    KernelCase(conv2d((9, 8, 7), 5, 3, strides=2), 0xF67C_2FD7),
    KernelCase(conv2d((6, 6, 8), 12, 1), 0x8BDD_F998),
    KernelCase(conv2d((6, 6, 8), 4, 1, strides=2), 0x3A55_6819),
    KernelCase(conv2d((1, 16, 4), 4, (1, 3)), 0x3061_DE94),
    KernelCase(depthwise_conv2d((8, 8, 6), 3, activation="relu6"), 0x049A_1643),
    KernelCase(depthwise_conv2d((8, 8, 6), 5, strides=2), 0xB4B7_5014),
    KernelCase(depthwise_conv2d((6, 6, 3), 3, depth_multiplier=4), 0x6ACB_ACA6),
    KernelCase(dense((70,), 11, activation="relu"), 0x818C_A710),
    KernelCase(max_pool2d((8, 8, 5), 2), 0x1241_5325),
    KernelCase(average_pool2d((9, 9, 6), 3, strides=2, padding="same"), 0x44B3_6313),
    KernelCase(global_average_pool2d((7, 5, 6)), 0xAD31_14C2),
    KernelCase(softmax((12,)), 0xEA9B_5A10),
    KernelCase(relu((5, 5, 4)), 0x8C68_344F),
    KernelCase(relu6((5, 5, 4)), 0x4006_B2AB),
    KernelCase(add((6, 5, 4), activation="relu"), 0x7ACD_B2D1),
    KernelCase(binary(Operator.ADD, (7, 5, 3), operand=(3,)), 0x9DF2_7512),
    KernelCase(binary(Operator.SUB, (6, 5, 4), (6, 5, 4)), 0xCA03_B046),
    KernelCase(binary(Operator.MUL, (9, 9, 5), operand=(1,), activation="relu6"), 0x1132_372F),
    KernelCase(conv2d((8, 7, 6), 9, 3, groups=3), 0xD568_6C54),
    KernelCase(conv2d((9, 9, 4), 5, 3, dilation=2), 0x33E2_32E9),
    KernelCase(depthwise_conv2d((9, 9, 5), 3, dilation=(2, 3)), 0xEE06_789B),
    KernelCase(concatenation([(5, 4, 3), (5, 4, 6), (5, 4, 2)]), 0x1B72_E674),
    KernelCase(pad((5, 4, 3), (1, 2, 3, 0)), 0x4D4A_5E77),
    KernelCase(global_max_pool2d((7, 5, 6)), 0x40FF_B7E1),
    KernelCase(leaky_relu((5, 5, 4)), 0x8D16_EFC5),
    KernelCase(logistic((9, 9, 8)), 0x36F4_E7E1),
    KernelCase(tanh((5, 5, 4)), 0xF011_0A7A),
    KernelCase(hard_swish((9, 9, 8)), 0x4CA9_5385),
    KernelCase(quantize((5, 5, 4)), 0x5EA7_0B21),
    KernelCase(dequantize((5, 5, 4)), 0xC8BA_6EE6),
    KernelCase(requantize((5, 5, 4)), 0xEB22_8306),
    KernelCase(binary(Operator.SUB, (7, 5, 3), operand=(3,), operand_first=True), 0xDCFC_4F05),
    _floats_case(conv2d((9, 8, 3), 6, 3, activation="relu"), 0xB7F9_230C, 0xF03F_3A3F),
    _floats_case(conv2d((9, 8, 7), 5, 3, strides=2), 0x9C39_95DB, 0x5DA8_A096),
    _floats_case(conv2d((6, 6, 8), 12, 1), 0xA886_8765, 0x5BBC_4392),
    _floats_case(conv2d((6, 6, 8), 4, 1, strides=2), 0x82AD_096F, 0x23A1_7EB7),
    _floats_case(conv2d((1, 16, 4), 4, (1, 3)), 0xDFEA_EB25, 0xF863_2A96),
    _floats_case(depthwise_conv2d((8, 8, 6), 3, activation="relu6"), 0x3A9C_A92A, 0xF3E2_328A),
    _floats_case(depthwise_conv2d((8, 8, 6), 5, strides=2), 0xAE49_3B03, 0x7D00_11B6),
    _floats_case(depthwise_conv2d((6, 6, 3), 3, depth_multiplier=4), 0x91E2_954D, 0xC869_2889),
    _floats_case(dense((70,), 11, activation="relu"), 0x8DC0_64E7, 0xF9B7_0CD1),
    _floats_case(max_pool2d((8, 8, 5), 2), 0xCBEA_2AE2),
    _floats_case(average_pool2d((9, 9, 6), 3, strides=2, padding="same"), 0x490D_053B),
    _floats_case(global_average_pool2d((7, 5, 6)), 0xF49C_A1E8),
    _floats_case(softmax((12,)), 0x1365_7FCC, 0xE1BD_CD34),
    _floats_case(relu((5, 5, 4)), 0xFE31_5ADF),
    _floats_case(relu6((5, 5, 4)), 0x242A_782D),
    _floats_case(add((6, 5, 4), activation="relu"), 0x256C_192C, 0xB8EA_693E),
    _floats_case(binary(Operator.ADD, (7, 5, 3), operand=(3,)), 0x25DC_3F54),
    _floats_case(binary(Operator.SUB, (6, 5, 4), (6, 5, 4)), 0xA4F3_6B19, 0xA93B_141B),
    _floats_case(binary(Operator.MUL, (9, 9, 5), operand=(1,), activation="relu6"), 0x400F_CE43),
    _floats_case(conv2d((8, 7, 6), 9, 3, groups=3), 0x29EA_ECD2, 0x6AC0_0EC5),
    _floats_case(conv2d((9, 9, 4), 5, 3, dilation=2), 0x5244_8657, 0x45F2_3B0C),
    _floats_case(depthwise_conv2d((9, 9, 5), 3, dilation=(2, 3)), 0x97BE_F276, 0x2D1E_0CDB),
    _floats_case(concatenation([(5, 4, 3), (5, 4, 6), (5, 4, 2)]), 0x2E7A_5652, 0x25A5_FE03),
    _floats_case(pad((5, 4, 3), (1, 2, 3, 0)), 0xEB9E_4FFB),
    _floats_case(global_max_pool2d((7, 5, 6)), 0xACAC_E8DC),
    _floats_case(leaky_relu((5, 5, 4)), 0x3B32_9C8C),
    _floats_case(logistic((9, 9, 8)), 0x068A_64C4, 0xFA58_7E0B),
    _floats_case(tanh((5, 5, 4)), 0xC904_0DD0),
    _floats_case(hard_swish((9, 9, 8)), 0xFC37_62AD),
    _floats_case(binary(Operator.SUB, (7, 5, 3), operand=(3,), operand_first=True), 0xD74F_39B3),
)
"""Every kernel and variant, with what all boards and emulators must compute."""


def kernel_plan(layer: Layer, kernel_set: str | None = None) -> tuple[ExecutionPlan, bytes]:
    """A plan of one layer with seeded parameters in its arena, and the seeded input.

    What reads several inputs gets what convolutions make of one, so that they differ.
    """
    network = _network_of(layer)
    plan = compile_plan(
        network,
        parameters=kernel_parameters(network),
        placement="arena",
        kernel_set=kernel_set,
    )
    count = math.prod(network.input_shape)
    floats = network.dtype_of(0) is DType.FLOAT32
    return plan, _floats("input", count, 0.13) if floats else _stream("input", count)


def kernel_parameters(network: Network) -> NetworkParameters:
    """Seeded parameters of a network: every int8 value has the same quantization."""
    if network.dtype is DType.FLOAT32:
        floats = [
            LayerParameters() if layer.is_free else _seeded_floats(f"layer {i}", layer)
            for i, layer in enumerate(network.layers)
        ]
        return NetworkParameters((0,) * (len(floats) + 1), tuple(floats))
    quantization = TensorQuantization(_SCALE, _ZERO_POINT)
    layers = [
        LayerParameters() if node.layer.is_free else _seeded(f"layer {i}", node.layer, quantization)
        for i, node in enumerate(network.nodes)
    ]
    points = [
        _ZERO_POINT if network.dtype_of(value) is DType.INT8 else 0
        for value in range(len(network.nodes) + 1)
    ]
    return NetworkParameters(tuple(points), tuple(layers))


def run_kernel(client: BoardClient, layer: Layer, kernel_set: str | None = None) -> bytes:
    """The output of one layer with seeded values, computed by the board.

    Raises:
        HwnasError: The board failed or refused the plan.
    """
    plan, image = kernel_plan(layer, kernel_set)
    client.load(plan.data)
    for index, data in plan.arena_writes:
        client.write_tensor(index, data)
    client.write_tensor(plan.input_tensor, image)
    client.run(warmup=0, per_layer=False, fill_inputs=False, step_count=len(plan.step_nodes))
    size = tensor_bytes(layer.output_shape, layer.output_dtype)
    return client.read_tensor(plan.output_tensor, size)


def _network_of(layer: Layer) -> Network:
    if len(layer.input_shapes) == 1:
        return Network(layer.input_shape, (Node(layer, (0,)),), layer.dtype)
    b = NetworkBuilder(layer.input_shape, layer.dtype)
    b.append(layer, *(b.conv2d(b.input, shape[-1], 1) for shape in layer.input_shapes))
    return b.build()


def _seeded(name: str, layer: Layer, quantization: TensorQuantization) -> LayerParameters:
    counts = parameter_counts(layer)
    weights = counts.get(ParameterKind.WEIGHTS, 0)
    sums = weights / layer.output_shape[-1]
    channels = 1 if ParameterKind.MULTIPLIERS not in counts else layer.output_shape[-1]
    scales = [float(np.float32((1 + i % 3 / 4) / (_DEVIATION * math.sqrt(max(sums, 1)))))
              for i in range(channels)]  # fmt: skip
    biases = np.frombuffer(_stream(f"{name} bias", 2 * counts.get(ParameterKind.BIAS, 0)), "<i2")
    return layer_parameters(
        layer,
        [quantization] * len(layer.input_shapes),
        quantization,
        weights=_stream(f"{name} weights", weights),
        weight_scales=scales,
        bias=[int(b) // 16 for b in biases],
        operand=_stream(f"{name} operand", counts.get(ParameterKind.OPERAND, 0)),
        operand_quantization=quantization,
    )


def _seeded_floats(name: str, layer: Layer) -> LayerParameters:
    counts = parameter_counts(layer)
    weights = counts.get(ParameterKind.WEIGHTS, 0)
    gain = 1 / (_DEVIATION * math.sqrt(max(weights / layer.output_shape[-1], 1)))
    return float_parameters(
        layer,
        weights=_floats(f"{name} weights", weights, gain),
        bias=np.frombuffer(
            _floats(f"{name} bias", counts.get(ParameterKind.BIAS, 0), 1 / 64), "<f4"
        ).tolist(),
        operand=_floats(f"{name} operand", counts.get(ParameterKind.OPERAND, 0), 1 / 32),
    )


def _floats(name: str, count: int, gain: float) -> bytes:
    values = np.frombuffer(_stream(name, count), np.int8).astype("<f4") * np.float32(gain)
    return values.tobytes()


def _stream(name: str, size: int) -> bytes:
    return shake_256(f"hwnas selftest {name}".encode()).digest(size)
