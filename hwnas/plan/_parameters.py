"""Quantized parameters of a network, and the integer constants that kernels need of them.

The formulas are those of TensorFlow Lite for Microcontrollers, so that the kernels, fed with the
same constants, give the same bits: ``kernel_util.cc``, ``quantization_util.cc`` and the
``*_common.cc`` file of each operator. Scales are 32-bit floats there; where it computes in 32 bits
instead of 64, so does this module.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from hwnas.errors import PlanError
from hwnas.network import Activation, Layer, Operator
from hwnas.plan._format import ParameterKind

INT8_MIN: Final = -128
INT8_MAX: Final = 127
_ADD_LEFT_SHIFT: Final = 20
_SOFTMAX_INTEGER_BITS: Final = 5
_MAX_MULTIPLIER: Final = (1 << 31) - 1
SHIFTS: Final = range(-31, 31)
"""Exponents that the kernels can shift by; positive is to the left."""


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
    """The quantized parameters of one layer; what a layer lacks is empty.

    Attributes:
        weights: int8 values, ordered as docs/plan-format.md says.
        bias: int32 values, one an output channel.
        multipliers: int32 values, one an output channel of a convolution.
        shifts: As many; positive is to the left.
        activation_min: Smallest output, -128 to 127.
        activation_max: Largest output, -128 to 127.
        constants: The step's values p.
    """

    weights: bytes = b""
    bias: tuple[int, ...] = ()
    multipliers: tuple[int, ...] = ()
    shifts: tuple[int, ...] = ()
    activation_min: int = INT8_MIN
    activation_max: int = INT8_MAX
    constants: tuple[int, ...] = ()

    def data(self, kind: ParameterKind) -> bytes:
        """The bytes of one parameter tensor."""
        if kind is ParameterKind.WEIGHTS:
            return self.weights
        values = {
            ParameterKind.BIAS: self.bias,
            ParameterKind.MULTIPLIERS: self.multipliers,
            ParameterKind.SHIFTS: self.shifts,
        }[kind]
        return struct.pack(f"<{len(values)}i", *values)


@dataclass(frozen=True, slots=True)
class NetworkParameters:
    """The quantized parameters of a network.

    Attributes:
        zero_points: One a value: 0 is the network's input, i + 1 the output of node i.
        layers: One a node; those of a reshape are empty.
    """

    zero_points: tuple[int, ...]
    layers: tuple[LayerParameters, ...]


def quantize_multiplier(real: float) -> tuple[int, int]:
    """A real factor as multiplier and shift: ``real = multiplier * 2**shift / 2**31``.

    TensorFlow Lite's ``QuantizeMultiplier``: the fraction of ``frexp`` in 31 bits, rounded half
    up; a factor below 2**-32 becomes 0. TensorFlow Lite allows factors up to 2**31, too, for which
    the firmware's shifts do not suffice.

    Args:
        real: 0 or more, below 2**30 - 1.

    Raises:
        PlanError: The factor is negative, too large or not finite.

    Example:
        >>> quantize_multiplier(0.75)
        (1610612736, 0)
    """
    # Slightly below: rounding up must not carry into a shift that the kernels lack.
    if not 0 <= real < (1 << 30) - 1:
        raise PlanError(f"a factor of {real} between scales cannot be quantized: 0 to 2**30 can")
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * (1 << 31) + 0.5)
    if multiplier > _MAX_MULTIPLIER:
        multiplier //= 2
        shift += 1
    return (0, 0) if shift < SHIFTS[0] else (multiplier, shift)


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
    six = output.zero_point + math.floor(_float32(6.0 / output.scale) + 0.5)
    return low, min(INT8_MAX, six)


def layer_parameters(
    layer: Layer,
    inputs: Sequence[TensorQuantization],
    output: TensorQuantization,
    *,
    weights: bytes = b"",
    weight_scales: Sequence[float] = (),
    bias: Sequence[int] = (),
) -> LayerParameters:
    """The constants of a layer, from the scales that TensorFlow Lite models carry.

    Args:
        layer: An int8 layer.
        inputs: One an input.
        output: Of the output.
        weights: int8 values, ordered as docs/plan-format.md says.
        weight_scales: One for the whole tensor, or one an output channel.
        bias: int32 values, or none.

    Raises:
        PlanError: A dense layer has more than one weight scale, which CMSIS-NN 4.0.0 cannot do;
            the number of scales fits nothing; or a factor cannot be quantized.
    """
    activation = _STANDALONE.get(layer.operator, layer.activation)
    low, high = activation_bounds(activation, output)
    multipliers: tuple[int, ...] = ()
    shifts: tuple[int, ...] = ()
    constants: tuple[int, ...] = ()
    if layer.operator in (Operator.CONV2D, Operator.DEPTHWISE_CONV2D):
        multipliers, shifts = _channel_factors(
            layer.output_shape[-1], inputs[0].scale, weight_scales, output.scale
        )
    elif layer.operator is Operator.DENSE:
        constants = _dense_constants(inputs[0].scale, weight_scales, output.scale)
    elif layer.operator in _CONSTANTS:
        constants = _CONSTANTS[layer.operator](layer, [q.scale for q in inputs], output.scale)
    return LayerParameters(weights, tuple(bias), multipliers, shifts, low, high, constants)


_STANDALONE: Final[Mapping[Operator, Activation]] = MappingProxyType(
    {Operator.RELU: Activation.RELU, Operator.RELU6: Activation.RELU6}
)


def _float32(value: float) -> float:
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return rounded


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


def _dense_constants(
    input_scale: float, weight_scales: Sequence[float], output_scale: float
) -> tuple[int, ...]:
    """``GetQuantizedConvolutionMultipler``: the product of both scales in 32 bits."""
    if len(weight_scales) != 1:
        raise PlanError(
            f"a dense layer has {len(weight_scales)} weight scales, its kernel takes one: convert "
            "with converter._experimental_disable_per_channel_quantization_for_dense_layers = True"
        )
    return quantize_multiplier(_float32(input_scale * weight_scales[0]) / output_scale)


def _relu_constants(
    layer: Layer, input_scales: Sequence[float], output_scale: float
) -> tuple[int, ...]:
    """``activations_common.cc``."""
    return quantize_multiplier(input_scales[0] / output_scale)


def _mean_constants(
    layer: Layer, input_scales: Sequence[float], output_scale: float
) -> tuple[int, ...]:
    """MEAN of ``reference/integer_ops/mean.h``: the factor, divided by the number of pixels."""
    pixels = math.prod(layer.input_shape[:-1])
    multiplier, shift = quantize_multiplier(input_scales[0] / output_scale)
    left = min(pixels.bit_length() - 1, 32, shift - SHIFTS[0])
    return (multiplier << left) // pixels, shift - left


def _softmax_constants(
    layer: Layer, input_scales: Sequence[float], output_scale: float
) -> tuple[int, ...]:
    """``PreprocessSoftmaxScaling`` and ``CalculateInputRadius``, beta 1."""
    factor = input_scales[0] * (1 << (31 - _SOFTMAX_INTEGER_BITS))
    if factor <= 1:
        raise PlanError(f"softmax: an input scale of {input_scales[0]} is too small")
    multiplier, shift = quantize_multiplier(min(factor, _MAX_MULTIPLIER))
    largest = ((1 << _SOFTMAX_INTEGER_BITS) - 1) << (31 - _SOFTMAX_INTEGER_BITS)
    return multiplier, shift, -(largest >> shift)


def _add_constants(
    layer: Layer, input_scales: Sequence[float], output_scale: float
) -> tuple[int, ...]:
    """``CalculateOpDataAdd``."""
    twice = 2 * max(input_scales)
    factors = (
        input_scales[0] / twice,
        input_scales[1] / twice,
        twice / ((1 << _ADD_LEFT_SHIFT) * output_scale),
    )
    quantized = [quantize_multiplier(factor) for factor in factors]
    if any(shift > 0 for _, shift in quantized):
        raise PlanError(
            f"add: an output scale of {output_scale} is too small for inputs of {input_scales}"
        )
    return (_ADD_LEFT_SHIFT, *(number for pair in quantized for number in pair))


_CONSTANTS: Final[Mapping[Operator, Callable[[Layer, Sequence[float], float], tuple[int, ...]]]] = (
    MappingProxyType(
        {
            Operator.GLOBAL_AVERAGE_POOL2D: _mean_constants,
            Operator.RELU: _relu_constants,
            Operator.RELU6: _relu_constants,
            Operator.SOFTMAX: _softmax_constants,
            Operator.ADD: _add_constants,
        }
    )
)
