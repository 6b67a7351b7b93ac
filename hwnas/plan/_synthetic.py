"""Quantization of networks that were never trained: plausible, constant, the same for all.

What the seeded pool holds (weights, biases, a convolution's multipliers and shifts) is not chosen
here; these are the few numbers that a plan itself carries. They hardly change what a kernel
executes: docs/kernels.md has the spread between these and real ones.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from hwnas.network import Activation, DType, Layer, Network, Operator
from hwnas.plan._floats import float_parameters
from hwnas.plan._parameters import (
    INT8_MIN,
    LayerParameters,
    NetworkParameters,
    TensorQuantization,
    layer_parameters,
)

RECTIFIED_ZERO_POINT: Final = INT8_MIN
"""Of values that cannot be negative: images, probabilities, what a rectifier leaves."""
OTHER_ZERO_POINT: Final = -1
"""Of all others: about symmetric."""
_UNIFORM_INT8_DEVIATION: Final = 74.0
"""Standard deviation of uniform int8 values: a dense layer's sums are scaled back by it."""
_KEEPS_ZERO_POINT: Final = frozenset(
    {
        Operator.MAX_POOL2D,
        Operator.AVERAGE_POOL2D,
        Operator.GLOBAL_AVERAGE_POOL2D,
        Operator.GLOBAL_MAX_POOL2D,
        Operator.CONCATENATION,
        Operator.PAD,
        Operator.RESHAPE,
    }
)
_RECTIFIED: Final = frozenset(
    {Operator.SOFTMAX, Operator.LOGISTIC, Operator.RELU, Operator.RELU6, Operator.QUANTIZE}
)
_CENTRED: Final = frozenset({Operator.TANH, Operator.DEQUANTIZE})
"""A hyperbolic tangent has 0 in TensorFlow Lite; floats have no zero point, which is 0, too."""
_RELU6_SCALE: Final = 6 / 255
_SCALE: Final = 0.1


def network_parameters(network: Network) -> NetworkParameters:
    """Zero points, bounds and constants of a network; the rest is left to the pool."""
    points = [input_zero_point(network.dtype_of(0))]
    layers = []
    for node in network.nodes:
        source = points[node.inputs[0]]
        points.append(output_zero_point(node.layer, source))
        layers.append(synthetic_parameters(node.layer, source))
    return NetworkParameters(tuple(points), tuple(layers))


def input_zero_point(dtype: DType) -> int:
    """The zero point of what a network or a layer alone reads."""
    return 0 if dtype is DType.FLOAT32 else RECTIFIED_ZERO_POINT


def output_zero_point(layer: Layer, source: int) -> int:
    """The zero point that a layer's output gets, as TensorFlow Lite's converter would choose.

    Args:
        layer: What makes the output.
        source: Zero point of its first input.
    """
    if layer.dtype is DType.FLOAT32:
        return 0
    if layer.activation is not Activation.NONE or layer.operator in _RECTIFIED:
        return RECTIFIED_ZERO_POINT
    if layer.operator in _CENTRED:
        return 0
    return source if layer.operator in _KEEPS_ZERO_POINT else OTHER_ZERO_POINT


def synthetic_parameters(layer: Layer, source: int) -> LayerParameters:
    """Bounds and constants of a layer; weights, biases and factors are left to the pool.

    Args:
        layer: The layer.
        source: Zero point of its first input, which the others are given, too.
    """
    if layer.dtype is DType.FLOAT32:
        return float_parameters(layer)
    relu6 = layer.activation is Activation.RELU6 or layer.operator is Operator.RELU6
    output = TensorQuantization(_RELU6_SCALE if relu6 else _SCALE, output_zero_point(layer, source))
    inputs = [TensorQuantization(_SCALE, source)] * len(layer.input_shapes)
    weight_scale = 1 / (_UNIFORM_INT8_DEVIATION * math.sqrt(layer.input_shape[-1]))
    parameters = layer_parameters(
        layer,
        inputs,
        output,
        weight_scales=[weight_scale],
        operand_quantization=TensorQuantization(_SCALE, OTHER_ZERO_POINT),
    )
    return replace(parameters, multipliers=(), shifts=())
