"""The integer constants that kernels need, from the scales of the tensors.

The formulas are those of TensorFlow Lite for Microcontrollers, so that the kernels, fed with the
same constants, give the same bits: ``kernel_util.cc``, ``quantization_util.cc`` and the
``*_common.cc`` file of each operator. Scales are 32-bit floats there; where it computes in 32 bits
instead of 64, so does this module.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from hwnas.errors import PlanError
from hwnas.network import Layer, Operator

_ADD_LEFT_SHIFT: Final = 20
_SOFTMAX_INTEGER_BITS: Final = 5
_SIGMOID_INTEGER_BITS: Final = 4
_SWISH_SHIFTS: Final = range(-15, 31)
"""Exponents that hard_swish can shift 16 bits by; beyond them TensorFlow Lite's are nonsense."""
_MAX_MULTIPLIER: Final = (1 << 31) - 1
SHIFTS: Final = range(-31, 31)
"""Exponents that the kernels can shift by; positive is to the left."""


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


def float32(value: float) -> float:
    """Rounded to 32 bits."""
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return rounded


def dense_constants(
    input_scale: float, weight_scales: Sequence[float], output_scale: float
) -> tuple[int, ...]:
    """``CalculateOpDataFullyConnected``: in 64 bits.

    ``GetQuantizedConvolutionMultipler`` in ``kernel_util.cc`` writes the product of both scales in
    32 bits; the interpreter gives what follows from 64 (``tests/test_exact_constants.py``).
    """
    if len(weight_scales) != 1:
        raise PlanError(
            f"a dense layer has {len(weight_scales)} weight scales, its kernel takes one: convert "
            "with converter._experimental_disable_per_channel_quantization_for_dense_layers = True"
        )
    return quantize_multiplier(input_scale * weight_scales[0] / output_scale)


def _rescaling_constants(
    layer: Layer, input_scales: Sequence[float], output_scale: float
) -> tuple[int, ...]:
    """``activations_common.cc`` and ``quantize_common.cc``."""
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
    """``CalculateOpDataAdd``: in 64 bits."""
    twice = 2 * max(input_scales)
    return _sum_constants(
        layer,
        input_scales[0] / twice,
        input_scales[1] / twice,
        twice / ((1 << _ADD_LEFT_SHIFT) * output_scale),
    )


def _sub_constants(
    layer: Layer, input_scales: Sequence[float], output_scale: float
) -> tuple[int, ...]:
    """``CalculateOpDataSub``: as for a sum, but in 32 bits."""
    twice = 2 * max(input_scales)
    return _sum_constants(
        layer,
        float32(input_scales[0] / twice),
        float32(input_scales[1] / twice),
        float32(twice / ((1 << _ADD_LEFT_SHIFT) * output_scale)),
    )


def _sum_constants(layer: Layer, *factors: float) -> tuple[int, ...]:
    quantized = [quantize_multiplier(factor) for factor in factors]
    if any(shift > 0 for _, shift in quantized):
        raise PlanError(f"{layer.operator}: the output scale is too small for those of the inputs")
    return (_ADD_LEFT_SHIFT, *(number for pair in quantized for number in pair))


def _mul_constants(
    layer: Layer, input_scales: Sequence[float], output_scale: float
) -> tuple[int, ...]:
    """``CalculateOpDataMul``: in 64 bits."""
    return quantize_multiplier(input_scales[0] * input_scales[1] / output_scale)


def _sigmoid_constants(
    layer: Layer, input_scales: Sequence[float], output_scale: float
) -> tuple[int, ...]:
    """``CalculateArithmeticOpDataLogistic`` (that of tanh is the same), ``CalculateInputRadius``.

    Where the scale leaves no room for anything between the ends, multiplier and shift are not used.
    """
    fraction_bits = 31 - _SIGMOID_INTEGER_BITS
    fraction, shift = math.frexp(input_scales[0] * (1 << fraction_bits))
    if shift < 0:
        raise PlanError(f"{layer.operator}: an input scale of {input_scales[0]} is too small")
    largest = ((1 << _SIGMOID_INTEGER_BITS) - 1) << fraction_bits
    return largest >> shift, math.floor(fraction * (1 << 31) + 0.5), min(shift, SHIFTS[-1])


def _swish_constants(
    layer: Layer, input_scales: Sequence[float], output_scale: float
) -> tuple[int, ...]:
    """``HardSwishPrepare``: scales in 32 bits, multipliers rounded to 16."""
    hires = input_scales[0] / 128
    output, output_shift = quantize_multiplier(float32(hires / output_scale))
    factor, exponent = quantize_multiplier(float32(hires / float32(3 / 32768)))
    if output_shift > 0 or output_shift < _SWISH_SHIFTS[0] or exponent not in _SWISH_SHIFTS:
        raise PlanError(
            f"hard_swish: scales of {input_scales[0]} before and {output_scale} after are too far "
            "from each other, or from 1, for its 16 bits"
        )
    return _short_multiplier(output), output_shift, _short_multiplier(factor), exponent


def _short_multiplier(multiplier: int) -> int:
    """``DownScaleInt32ToInt16Multiplier``."""
    return min((multiplier + (1 << 15)) >> 16, (1 << 15) - 1)


def leaky_constants(alpha: float, input_scale: float, output_scale: float) -> tuple[int, ...]:
    """``CalculateOpDataLeakyRelu``: in 32 bits, one operation after the other."""
    below = float32(float32(input_scale * float32(alpha)) / output_scale)
    return (
        *quantize_multiplier(below),
        *quantize_multiplier(float32(input_scale / output_scale)),
    )


def _quantize_constants(
    layer: Layer, input_scales: Sequence[float], output_scale: float
) -> tuple[int, ...]:
    """The scale itself."""
    return (float_bits(output_scale),)


def _dequantize_constants(
    layer: Layer, input_scales: Sequence[float], output_scale: float
) -> tuple[int, ...]:
    """The scale itself."""
    return (float_bits(input_scales[0]),)


def float_bits(value: float) -> int:
    """The 32 bits of a float, as a signed number."""
    bits: int = struct.unpack("<i", struct.pack("<f", value))[0]
    return bits


CONSTANTS: Final[Mapping[Operator, Callable[[Layer, Sequence[float], float], tuple[int, ...]]]] = (
    MappingProxyType(
        {
            Operator.GLOBAL_AVERAGE_POOL2D: _mean_constants,
            Operator.RELU: _rescaling_constants,
            Operator.RELU6: _rescaling_constants,
            Operator.REQUANTIZE: _rescaling_constants,
            Operator.SOFTMAX: _softmax_constants,
            Operator.ADD: _add_constants,
            Operator.SUB: _sub_constants,
            Operator.MUL: _mul_constants,
            Operator.LOGISTIC: _sigmoid_constants,
            Operator.TANH: _sigmoid_constants,
            Operator.HARD_SWISH: _swish_constants,
            Operator.QUANTIZE: _quantize_constants,
            Operator.DEQUANTIZE: _dequantize_constants,
        }
    )
)
"""Of the operators whose constants follow from the scales of inputs and output alone."""
