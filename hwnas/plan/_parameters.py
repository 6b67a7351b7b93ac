"""Quantized parameters of a network and its layers.

The constants are computed in ``_constants.py``, as TensorFlow Lite for Microcontrollers does.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar

from hwnas.errors import PlanError
from hwnas.network import CONVOLUTIONS, Activation, Layer, Network, Operator
from hwnas.plan._constants import (
    CONSTANTS,
    dense_constants,
    float32,
    leaky_constants,
    quantize_multiplier,
)
from hwnas.plan._format import ParameterKind

INT8_MIN: Final = -128
INT8_MAX: Final = 127
DEFAULT_ALPHA: Final = 0.3
"""Of a leaky rectifier, as in Keras 3."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class TensorQuantization:
    """What an int8 value stands for: ``scale * (value - zero_point)``.

    Attributes:
        scale: A 32-bit float above 0.
        zero_point: -128 to 127.
    """

    scale: float
    zero_point: int


@dataclass(frozen=True, slots=True)
class LayerParameters:
    """The parameters of one layer; what a layer lacks is empty.

    Those of float32 layers hold the 32 bits of floats where others hold int8 or int32 values; they
    have no multipliers and shifts.

    Attributes:
        weights: int8 values, ordered as docs/plan-format.md says.
        bias: int32 values, one an output channel.
        multipliers: int32 values, one an output channel of a convolution.
        shifts: As many; positive is to the left.
        activation_min: Smallest output, -128 to 127.
        activation_max: Largest output, -128 to 127.
        constants: The step's values p; a concatenation's are not among them.
        operand: int8 values of a constant operand.
        operand_zero_point: Its zero point.
    """

    weights: bytes = b""
    bias: tuple[int, ...] = ()
    multipliers: tuple[int, ...] = ()
    shifts: tuple[int, ...] = ()
    activation_min: int = INT8_MIN
    activation_max: int = INT8_MAX
    constants: tuple[int, ...] = ()
    operand: bytes = b""
    operand_zero_point: int = 0

    def data(self, kind: ParameterKind) -> bytes:
        """The bytes of one parameter tensor."""
        if kind is ParameterKind.WEIGHTS:
            return self.weights
        if kind is ParameterKind.OPERAND:
            return self.operand
        values = {
            ParameterKind.BIAS: self.bias,
            ParameterKind.MULTIPLIERS: self.multipliers,
            ParameterKind.SHIFTS: self.shifts,
        }[kind]
        return struct.pack(f"<{len(values)}i", *values)


@dataclass(frozen=True, slots=True)
class NetworkParameters:
    """The parameters of a network.

    Attributes:
        zero_points: One a value: 0 is the network's input, i + 1 the output of node i.
        layers: One a node; those of a reshape are empty.
    """

    zero_points: tuple[int, ...]
    layers: tuple[LayerParameters, ...]


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """A network with parameters of its own, and what its ends stand for.

    Attributes:
        network: The network.
        parameters: Of its layers.
        input: What int8 inputs stand for; ``None`` for floats.
        output: What int8 outputs stand for; ``None`` for floats.
    """

    network: Network
    parameters: NetworkParameters
    input: TensorQuantization | None
    output: TensorQuantization | None


def activation_bounds(activation: Activation, output: TensorQuantization) -> tuple[int, int]:
    """Smallest and largest int8 output under a fused activation.

    TensorFlow Lite's ``CalculateActivationRangeQuantized``.

    Example:
        >>> activation_bounds(Activation.RELU6, TensorQuantization(0.05, -128))
        (-128, -8)
    """
    if activation is Activation.NONE:
        return INT8_MIN, INT8_MAX
    low = max(INT8_MIN, output.zero_point)
    if activation is Activation.RELU:
        return low, INT8_MAX
    six = output.zero_point + math.floor(float32(6.0 / output.scale) + 0.5)
    return low, min(INT8_MAX, six)


def layer_parameters(
    layer: Layer,
    inputs: Sequence[TensorQuantization],
    output: TensorQuantization,
    *,
    weights: bytes = b"",
    weight_scales: Sequence[float] = (),
    bias: Sequence[int] = (),
    operand: bytes = b"",
    operand_quantization: TensorQuantization | None = None,
    alpha: float = DEFAULT_ALPHA,
) -> LayerParameters:
    """The constants of a layer, from the scales that TensorFlow Lite models carry.

    Args:
        layer: An int8 layer.
        inputs: One an input; that of floats is not looked at.
        output: Of the output; that of floats is not looked at.
        weights: int8 values, ordered as docs/plan-format.md says.
        weight_scales: One for the whole tensor, or one an output channel.
        bias: int32 values, or none.
        operand: int8 values of a constant operand.
        operand_quantization: Its quantization.
        alpha: What a leaky rectifier multiplies negative values by.

    Raises:
        PlanError: A dense layer has more than one weight scale, which CMSIS-NN 4.0.0 cannot do;
            the number of scales fits nothing; a constant operand comes without quantization; or
            a factor cannot be quantized.
    """
    operand_zero_point = 0
    if layer.operand:
        if operand_quantization is None:
            raise PlanError(f"{layer.describe()}: the constant operand needs operand_quantization")
        inputs = with_operand(layer, inputs, operand_quantization)
        operand_zero_point = operand_quantization.zero_point
    activation = STANDALONE.get(layer.operator, layer.activation)
    low, high = activation_bounds(activation, output)
    multipliers: tuple[int, ...] = ()
    shifts: tuple[int, ...] = ()
    constants: tuple[int, ...] = ()
    if layer.operator in CONVOLUTIONS:
        multipliers, shifts = _channel_factors(
            layer.output_shape[-1], inputs[0].scale, weight_scales, output.scale
        )
    elif layer.operator is Operator.DENSE:
        constants = dense_constants(inputs[0].scale, weight_scales, output.scale)
    elif layer.operator is Operator.LEAKY_RELU:
        constants = leaky_constants(alpha, inputs[0].scale, output.scale)
    elif layer.operator in CONSTANTS:
        constants = CONSTANTS[layer.operator](layer, [q.scale for q in inputs], output.scale)
    return LayerParameters(
        weights,
        tuple(bias),
        multipliers,
        shifts,
        low,
        high,
        constants,
        operand,
        operand_zero_point,
    )


def with_operand(layer: Layer, inputs: Sequence[_T], operand: _T) -> tuple[_T, ...]:
    """What a step reads, in order: its one input and its constant operand."""
    return (operand, *inputs) if layer.operand_first else (*inputs, operand)


STANDALONE: Final[Mapping[Operator, Activation]] = MappingProxyType(
    {Operator.RELU: Activation.RELU, Operator.RELU6: Activation.RELU6}
)
"""Activations that are operators of their own."""


def _channel_factors(
    channels: int, input_scale: float, weight_scales: Sequence[float], output_scale: float
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """``PopulateConvolutionQuantizationParams``: in 64 bits."""
    if len(weight_scales) not in (1, channels):
        raise PlanError(
            f"a convolution of {channels} output channels has {len(weight_scales)} weight scales: "
            "give one, or one a channel"
        )
    factors = [quantize_multiplier(input_scale * s / output_scale) for s in weight_scales]
    repeats = channels // len(factors)
    return tuple(m for m, _ in factors) * repeats, tuple(s for _, s in factors) * repeats
