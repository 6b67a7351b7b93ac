"""The parameters of a layer, from the constants and scales of its operator."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from hwnas.errors import NetworkError, PlanError, UnsupportedLayerError
from hwnas.network import PARAMETRIC, DType, Layer, Operator
from hwnas.plan import (
    LayerParameters,
    TensorQuantization,
    float_parameters,
    layer_parameters,
)
from hwnas.tflite_io._file import TfliteTensor
from hwnas.tflite_io._operators import Call

_FLOATS: Final = TensorQuantization(1.0, 0)
"""Stands for the quantization of floats, which nobody looks at."""
_ELEMENT_BYTES: Final = {"INT8": 1, "INT32": 4, "FLOAT32": 4}
_INT8: Final = range(-128, 128)


def parameters_of(layer: Layer, call: Call) -> LayerParameters:
    """What a layer of a trained model holds.

    Raises:
        NetworkError: Constants do not have the size of their shape, or scales make no sense.
        UnsupportedLayerError: They have types or zero points that the kernels do not compute with.
    """
    given: dict[str, Any] = {}
    if layer.operator is Operator.LEAKY_RELU and call.operator.options is not None:
        given["alpha"] = float(call.operator.options.Alpha())
    is_int8 = layer.dtype is DType.INT8
    if layer.operand:
        operand = call.constant(0, "second operand")
        given["operand"] = data_of(operand, "INT8" if is_int8 else "FLOAT32")
        if is_int8:
            given["operand_quantization"] = quantization_of(operand)
    if layer.operator in PARAMETRIC:
        weights = call.constant(0, "weights")
        given["weights"] = data_of(weights, "INT8" if is_int8 else "FLOAT32")
        bias = call.bias()
        if bias is not None:
            data = data_of(bias, "INT32" if is_int8 else "FLOAT32")
            given["bias"] = np.frombuffer(data, "<i4" if is_int8 else "<f4").tolist()
        if is_int8:
            given["weight_scales"] = weight_scales(weights)
    try:
        if not is_int8:
            return float_parameters(layer, **given)
        inputs = [quantization_of(tensor) for tensor in call.sources]
        return layer_parameters(layer, inputs, quantization_of(call.output), **given)
    except PlanError as error:
        raise UnsupportedLayerError(f"{call.label}: {error}") from error


def weight_scales(weights: TfliteTensor) -> tuple[float, ...]:
    """The scales of weights: one, or one an output channel.

    Raises:
        NetworkError: One is no positive number, or there are none.
        UnsupportedLayerError: The weights have a zero point.
    """
    if any(weights.zero_points):
        raise UnsupportedLayerError(
            f"weights {weights.name!r} have zero points, as older converters gave them; convert "
            "the model with TensorFlow 2.4 or later"
        )
    if not weights.scales:
        raise NetworkError(f"weights {weights.name!r} have no scales")
    for scale in weights.scales:
        _check_scale(weights, scale)
    return weights.scales


def quantization_of(tensor: TfliteTensor) -> TensorQuantization:
    """What the values of an activation or a constant operand stand for.

    Raises:
        NetworkError: It is int8 and has not one scale and one zero point that make sense.
    """
    if tensor.type == "FLOAT32":
        return _FLOATS
    if len(tensor.scales) != 1 or len(tensor.zero_points) != 1:
        raise NetworkError(
            f"tensor {tensor.name!r} has {len(tensor.scales)} scales and {len(tensor.zero_points)} "
            "zero points; activations have one of each"
        )
    (scale,), (zero_point,) = tensor.scales, tensor.zero_points
    _check_scale(tensor, scale)
    if zero_point not in _INT8:
        raise NetworkError(f"tensor {tensor.name!r} has zero point {zero_point}, which is no int8")
    return TensorQuantization(scale, zero_point)


def data_of(tensor: TfliteTensor, kind: str) -> bytes:
    """The bytes of a constant.

    Raises:
        NetworkError: They are not as many as its shape says.
        UnsupportedLayerError: It is of another type.
    """
    if tensor.type != kind:
        raise UnsupportedLayerError(
            f"tensor {tensor.name!r} is {tensor.type}; kernels of this model take {kind}: quantize "
            "all of it to int8, or none"
        )
    size = math.prod(tensor.shape) * _ELEMENT_BYTES[kind]
    if len(tensor.data) != size:
        raise NetworkError(
            f"tensor {tensor.name!r} holds {len(tensor.data)} bytes, and its shape {tensor.shape} "
            f"has {size}"
        )
    return tensor.data


def _check_scale(tensor: TfliteTensor, scale: float) -> None:
    if not (math.isfinite(scale) and scale > 0):
        raise NetworkError(f"tensor {tensor.name!r} has scale {scale}; scales are above 0")
