"""The vocabulary: operators, activations, types, and what groups of them have in common."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

Shape = tuple[int, ...]
Pair = tuple[int, int]
Padding = tuple[int, int, int, int]

MAX_DIMENSION: Final = 65_535
"""Largest extent of an axis: the kernels count in 16 bits."""
MAX_ELEMENTS: Final = 1 << 30
MAX_NODES: Final = 512
MAX_JOINED: Final = 11
"""Most inputs of a concatenation: a step of a plan has room for so many."""


class Operator(StrEnum):
    """What a layer computes; the names are those of the lookup table and of the JSON form."""

    CONV2D = "conv2d"
    DEPTHWISE_CONV2D = "depthwise_conv2d"
    DENSE = "dense"
    MAX_POOL2D = "max_pool2d"
    AVERAGE_POOL2D = "average_pool2d"
    GLOBAL_AVERAGE_POOL2D = "global_average_pool2d"
    GLOBAL_MAX_POOL2D = "global_max_pool2d"
    SOFTMAX = "softmax"
    RELU = "relu"
    RELU6 = "relu6"
    LEAKY_RELU = "leaky_relu"
    LOGISTIC = "logistic"
    TANH = "tanh"
    HARD_SWISH = "hard_swish"
    ADD = "add"
    SUB = "sub"
    MUL = "mul"
    CONCATENATION = "concatenation"
    PAD = "pad"
    QUANTIZE = "quantize"
    DEQUANTIZE = "dequantize"
    REQUANTIZE = "requantize"
    RESHAPE = "reshape"


class Activation(StrEnum):
    """An activation fused into the layer before it."""

    NONE = "none"
    RELU = "relu"
    RELU6 = "relu6"


class DType(StrEnum):
    """The type of activations and weights."""

    INT8 = "int8"
    FLOAT32 = "float32"


WINDOWED: Final = frozenset(
    {
        Operator.CONV2D,
        Operator.DEPTHWISE_CONV2D,
        Operator.MAX_POOL2D,
        Operator.AVERAGE_POOL2D,
    }
)
"""Operators that slide a window over a feature map."""
CONVOLUTIONS: Final = frozenset({Operator.CONV2D, Operator.DEPTHWISE_CONV2D})
"""Operators that slide filters over a feature map."""
PARAMETRIC: Final = CONVOLUTIONS | {Operator.DENSE}
"""Operators that own weights."""
BINARY: Final = frozenset({Operator.ADD, Operator.SUB, Operator.MUL})
"""Element-wise operators of two operands, of which one may be a constant."""
ELEMENTWISE: Final = frozenset(
    {
        Operator.RELU,
        Operator.RELU6,
        Operator.LEAKY_RELU,
        Operator.LOGISTIC,
        Operator.TANH,
        Operator.HARD_SWISH,
    }
)
"""Activations of their own, which take each element by itself."""
FUSING: Final = PARAMETRIC | BINARY | {Operator.MAX_POOL2D, Operator.AVERAGE_POOL2D}
"""Operators that can take a fused activation."""
CONVERSIONS: Final = frozenset({Operator.QUANTIZE, Operator.DEQUANTIZE})
"""Operators between the types of an int8 network."""
