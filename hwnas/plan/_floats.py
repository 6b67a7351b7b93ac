"""Parameters of unquantized networks: floats, as the bits that a plan holds."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from hwnas.network import FUSING, Activation, Layer, Operator
from hwnas.plan._constants import float_bits
from hwnas.plan._parameters import DEFAULT_ALPHA, LayerParameters

_LARGEST: Final = float(np.finfo(np.float32).max)
_FUSED: Final[Mapping[Activation, tuple[float, float]]] = MappingProxyType(
    {
        Activation.NONE: (-_LARGEST, _LARGEST),
        Activation.RELU: (0.0, _LARGEST),
        Activation.RELU6: (0.0, 6.0),
    }
)
"""TensorFlow Lite's ``CalculateActivationRange``: what is infinite becomes finite."""
_ALONE: Final[Mapping[Operator, tuple[float, float]]] = MappingProxyType(
    {Operator.RELU: (0.0, math.inf), Operator.RELU6: (0.0, 6.0)}
)
"""What cannot have a fused activation leaves infinite values, as its ``ReluFloat`` and ``Mean``."""
_UNBOUNDED: Final = (-math.inf, math.inf)


def float_parameters(
    layer: Layer,
    *,
    weights: bytes = b"",
    bias: Sequence[float] = (),
    operand: bytes = b"",
    alpha: float = DEFAULT_ALPHA,
) -> LayerParameters:
    """The parameters of a float32 layer.

    Args:
        layer: A float32 layer.
        weights: Little-endian 32-bit floats, ordered as docs/plan-format.md says.
        bias: One a channel of the output, or none.
        operand: Little-endian 32-bit floats of a constant second operand.
        alpha: What a leaky rectifier multiplies negative values by.

    Example:
        >>> from hwnas.network import DType, relu6
        >>> bounds = float_parameters(relu6((4,), dtype=DType.FLOAT32))
        >>> hex(bounds.activation_max)  # the bits of 6.0
        '0x40c00000'
    """
    fused = layer.operator in FUSING
    low, high = _FUSED[layer.activation] if fused else _ALONE.get(layer.operator, _UNBOUNDED)
    leaky = layer.operator is Operator.LEAKY_RELU
    return LayerParameters(
        weights=weights,
        bias=tuple(float_bits(value) for value in bias),
        activation_min=float_bits(low),
        activation_max=float_bits(high),
        constants=(float_bits(alpha),) if leaky else (),
        operand=operand,
    )


def float_of(bits: int) -> float:
    """The float that 32 bits are."""
    value: float = struct.unpack("<f", struct.pack("<i", bits))[0]
    return value
