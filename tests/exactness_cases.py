"""Random layers of every operator and option, and networks of one of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwnas.network import (
    BINARY,
    Layer,
    Network,
    NetworkBuilder,
    Node,
    Operator,
    Pair,
    Shape,
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

ACTIVATIONS = ("none", "relu", "relu6")
Make = Callable[[np.random.Generator], Layer]


def side(random: np.random.Generator) -> int:
    return int(random.integers(5, 14))


def channels(random: np.random.Generator) -> int:
    return int(random.integers(1, 21))


def feature_map(random: np.random.Generator) -> tuple[int, int, int]:
    return side(random), side(random), channels(random)


def activation(random: np.random.Generator) -> str:
    return str(random.choice(ACTIVATIONS))


def biased(random: np.random.Generator) -> bool:
    return bool(random.random() < 0.8)


def convolution(kernel: int, padding: str, stride: int, dilation: int = 1) -> Make:
    return lambda r: conv2d(
        feature_map(r), channels(r), kernel, strides=stride, padding=padding, dilation=dilation,
        activation=activation(r), use_bias=biased(r),
    )  # fmt: skip


def grouped(kernel: int | Pair, padding: str, stride: int, dilation: int | Pair = 1) -> Make:
    def make(random: np.random.Generator) -> Layer:
        groups = int(random.integers(2, 5))
        return conv2d(
            (side(random), side(random), groups * int(random.integers(1, 8))),
            groups * int(random.integers(1, 8)),
            kernel,
            strides=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            activation=activation(random),
            use_bias=biased(random),
        )

    return make


def single_row(random: np.random.Generator) -> Layer:
    width = int(random.integers(2, 5)) * 4
    return conv2d(
        (1, width, channels(random)), channels(random), (1, 3), activation=activation(random)
    )


def depthwise(
    kernel: int, padding: str, stride: int, multiplier: int = 1, dilation: int | Pair = 1
) -> Make:
    return lambda r: depthwise_conv2d(
        feature_map(r), kernel, strides=stride, padding=padding, depth_multiplier=multiplier,
        dilation=dilation, activation=activation(r), use_bias=biased(r),
    )  # fmt: skip


def pointwise(make: Callable[[Shape], Layer]) -> Make:
    """Maps so small that each element is computed, and so large that a table is."""
    return lambda r: make(feature_map(r) if r.random() < 0.5 else (3, side(r), channels(r)))


OPERANDS = ("equal", "vector", "scalar", "constant", "constant vector", "constant scalar")


def two_operands(operator: Operator, kind: str, *, constant_first: bool = False) -> Make:
    def make(random: np.random.Generator) -> Layer:
        shape = feature_map(random)
        other: Shape = shape
        if kind.endswith("vector"):
            other = (shape[-1],) if kind.startswith("constant") else (1, 1, shape[-1])
        elif kind.endswith("scalar"):
            other = (1,) if kind.startswith("constant") else (1, 1, 1)
        act = activation(random)
        if kind.startswith("constant"):
            return binary(
                operator, shape, operand=other, operand_first=constant_first, activation=act
            )
        pair = (shape, other) if random.random() < 0.5 else (other, shape)
        return binary(operator, *pair, activation=act)

    return make


def joining(count: int, axis: int) -> Make:
    def make(random: np.random.Generator) -> Layer:
        shape = [side(random), side(random), channels(random)]
        shapes = []
        for _ in range(count):
            shape[axis] = int(random.integers(1, 9))
            shapes.append(tuple(shape))
        return concatenation(shapes, axis=axis)

    return make


def pooling(pool: Callable[..., Layer], size: int, padding: str, stride: int) -> Make:
    return lambda r: pool(
        feature_map(r), size, strides=stride, padding=padding, activation=activation(r)
    )


CASES: dict[str, Make] = {
    "conv 3x3 same": convolution(3, "same", 1),
    "conv 3x3 valid": convolution(3, "valid", 1),
    "conv 3x3 same strided": convolution(3, "same", 2),
    "conv 5x5 same": convolution(5, "same", 1),
    "conv 1x1": convolution(1, "same", 1),
    "conv 1x1 strided": convolution(1, "same", 2),
    "conv 1x3 of one row": single_row,
    "depthwise 3x3 same": depthwise(3, "same", 1),
    "depthwise 3x3 valid": depthwise(3, "valid", 1),
    "depthwise 3x3 same strided": depthwise(3, "same", 2),
    "depthwise 5x5 same": depthwise(5, "same", 1),
    "depthwise 5x5 valid strided": depthwise(5, "valid", 2),
    "depthwise 3x3 multiplier 3": depthwise(3, "same", 1, 3),
    "depthwise 3x3 multiplier 4": depthwise(3, "same", 2, 4),
    "dense": lambda r: dense(
        (int(r.integers(1, 200)),), channels(r), activation=activation(r), use_bias=biased(r)
    ),
    "max pool 2x2": pooling(max_pool2d, 2, "valid", 2),
    "max pool 3x3 same": pooling(max_pool2d, 3, "same", 2),
    "average pool 2x2": pooling(average_pool2d, 2, "valid", 2),
    "average pool 3x3 same": pooling(average_pool2d, 3, "same", 2),
    "average pool 5x5": pooling(average_pool2d, 5, "valid", 1),
    "mean": lambda r: global_average_pool2d(feature_map(r)),
    "softmax": lambda r: softmax((int(r.integers(2, 40)),)),
    "relu": lambda r: relu(feature_map(r)),
    "relu6": lambda r: relu6(feature_map(r)),
    "conv 3x3 dilated": convolution(3, "same", 1, dilation=2),
    "conv 3x3 dilated valid strided": convolution(3, "valid", 2, dilation=2),
    "conv 1x3 dilated, of one row": lambda r: conv2d(
        (1, 16, channels(r)), channels(r), (1, 3), dilation=(1, 3), activation=activation(r)
    ),
    "conv 1x1 dilated": convolution(1, "same", 1, dilation=3),
    "conv 3x3 grouped": grouped(3, "same", 1),
    "conv 3x3 grouped valid strided": grouped(3, "valid", 2),
    "conv 1x1 grouped": grouped(1, "same", 1),
    "conv 2x3 grouped dilated": grouped((2, 3), "same", 1, dilation=(3, 2)),
    "conv 1x5 grouped, of one row": lambda r: conv2d(
        (1, int(r.integers(5, 20)), 6), 9, (1, 5), groups=3, activation=activation(r)
    ),
    "depthwise 3x3 dilated": depthwise(3, "same", 1, dilation=2),
    "depthwise 3x3 dilated valid": depthwise(3, "valid", 1, dilation=(1, 2)),
    "depthwise 3x3 multiplier 4 dilated": depthwise(3, "same", 2, 4, dilation=(2, 1)),
    "depthwise 1x5 of one row": lambda r: depthwise_conv2d(
        (1, int(r.integers(5, 20)), channels(r)), (1, 5), activation=activation(r)
    ),
    "max": lambda r: global_max_pool2d(feature_map(r)),
    "mean of many pixels": lambda r: global_average_pool2d((31, 33, channels(r))),
    "max of a row": lambda r: global_max_pool2d((1, side(r), channels(r))),
    "leaky relu": pointwise(leaky_relu),
    "logistic": pointwise(logistic),
    "tanh": pointwise(tanh),
    "hard swish": pointwise(hard_swish),
    "pad": lambda r: pad(feature_map(r), tuple(map(int, r.integers(0, 4, 4)))),
    "quantize": lambda r: quantize(feature_map(r)),
    "dequantize": lambda r: dequantize(feature_map(r)),
    **{
        f"{operator} {kind}": two_operands(operator, kind)
        for operator in sorted(BINARY)
        for kind in OPERANDS
    },
    **{
        f"sub from {kind}": two_operands(Operator.SUB, kind, constant_first=True)
        for kind in OPERANDS[3:]
    },
    "requantize": pointwise(requantize),
    **{
        f"concatenation of {count} along {axis}": joining(count, axis)
        for axis in (-1, -2, -3)
        for count in (2, 3, 10)
    },
    "concatenation of vectors": lambda r: concatenation([(channels(r),) for _ in range(3)]),
}


def of_one_operator(layer: Layer, random: np.random.Generator) -> Network:
    if len(layer.input_shapes) == 1:
        return Network(layer.input_shape, (Node(layer, (0,)),))
    rank = max(len(shape) for shape in layer.input_shapes)
    maps = [(1,) * (rank - len(shape)) + shape for shape in layer.input_shapes]
    source = tuple(max(sizes) for sizes in zip(*maps, strict=True))
    b = NetworkBuilder(source)
    # Now and then one operand is the input itself.
    direct = layer.input_shapes.index(source) if source in layer.input_shapes else -1
    if layer.operator not in BINARY or random.random() < 0.5:
        direct = -1
    values = [
        b.input if i == direct else brought_to(b, shape)
        for i, shape in enumerate(layer.input_shapes)
    ]
    b.append(layer, *values)
    return b.build()


def brought_to(b: NetworkBuilder, shape: Shape) -> int:
    """A value of this shape, in a scale of its own, made of the network's input."""
    source = b.shape(b.input)
    if len(source) == 1:
        return b.dense(b.input, shape[0])
    if len(shape) == 1:
        return b.reshape(brought_to(b, (1, 1, *shape)), shape)
    kernel = (source[0] - shape[0] + 1, source[1] - shape[1] + 1)
    return b.conv2d(b.input, shape[2], kernel, padding="valid")
