"""Networks as hwnas sees them: immutable graphs of layers, batch size 1, NHWC.

A :class:`Layer` holds what decides its cost and nothing else, so two layers that cost the same
are equal and share one row of the lookup table. A :class:`Network` is a list of nodes in
execution order. :class:`NetworkBuilder` infers shapes while a network is put together.

Shapes leave out the batch dimension: ``(height, width, channels)`` for feature maps, ``(n,)``
for vectors.
"""

from __future__ import annotations

from hwnas.network._builder import NetworkBuilder
from hwnas.network._constructors import (
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
    reshape,
    softmax,
    tanh,
)
from hwnas.network._geometry import same_padding, spreads
from hwnas.network._graph import NETWORK_JSON_VERSION, Network, Node
from hwnas.network._layer import Layer
from hwnas.network._operators import (
    BINARY,
    CONVERSIONS,
    CONVOLUTIONS,
    ELEMENTWISE,
    FUSING,
    MAX_DIMENSION,
    MAX_ELEMENTS,
    MAX_JOINED,
    MAX_NODES,
    PARAMETRIC,
    WINDOWED,
    Activation,
    DType,
    Operator,
    Padding,
    Pair,
    Shape,
)

__all__ = [
    "BINARY",
    "CONVERSIONS",
    "CONVOLUTIONS",
    "ELEMENTWISE",
    "FUSING",
    "MAX_DIMENSION",
    "MAX_ELEMENTS",
    "MAX_JOINED",
    "MAX_NODES",
    "NETWORK_JSON_VERSION",
    "PARAMETRIC",
    "WINDOWED",
    "Activation",
    "DType",
    "Layer",
    "Network",
    "NetworkBuilder",
    "Node",
    "Operator",
    "Padding",
    "Pair",
    "Shape",
    "add",
    "average_pool2d",
    "binary",
    "concatenation",
    "conv2d",
    "dense",
    "depthwise_conv2d",
    "dequantize",
    "global_average_pool2d",
    "global_max_pool2d",
    "hard_swish",
    "leaky_relu",
    "logistic",
    "max_pool2d",
    "pad",
    "quantize",
    "relu",
    "relu6",
    "requantize",
    "reshape",
    "same_padding",
    "softmax",
    "spreads",
    "tanh",
]
