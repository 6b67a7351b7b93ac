"""Hypothesis strategies for layers and networks, small enough to run on a board."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from hwnas.errors import NetworkError
from hwnas.network import (
    BINARY,
    FUSING,
    PARAMETRIC,
    Activation,
    DType,
    Layer,
    Network,
    NetworkBuilder,
    Operator,
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
    reshape,
    softmax,
    tanh,
)

MAX_SIDE = 10
MAX_CHANNELS = 9
_ACTIVATIONS = st.sampled_from([str(activation) for activation in Activation])
_RECTIFIERS = st.sampled_from(["relu", "relu6"])
_WINDOW_MAKERS = {
    Operator.CONV2D: conv2d,
    Operator.DEPTHWISE_CONV2D: depthwise_conv2d,
    Operator.MAX_POOL2D: max_pool2d,
    Operator.AVERAGE_POOL2D: average_pool2d,
}
_GLOBAL_MAKERS = {
    Operator.GLOBAL_AVERAGE_POOL2D: global_average_pool2d,
    Operator.GLOBAL_MAX_POOL2D: global_max_pool2d,
}
_LONE_MAKERS = {
    Operator.RELU: relu,
    Operator.RELU6: relu6,
    Operator.LEAKY_RELU: leaky_relu,
    Operator.LOGISTIC: logistic,
    Operator.TANH: tanh,
    Operator.HARD_SWISH: hard_swish,
}
_ELEMENTWISE_MAKERS = {Operator.SOFTMAX: softmax, **_LONE_MAKERS}
_CAST_MAKERS = {
    Operator.QUANTIZE: quantize,
    Operator.DEQUANTIZE: dequantize,
    Operator.REQUANTIZE: requantize,
}
_POOLS = (Operator.MAX_POOL2D, Operator.AVERAGE_POOL2D)
_FIXED_SCALES = (Operator.SOFTMAX, Operator.LOGISTIC, Operator.TANH)


def feature_maps() -> st.SearchStrategy[Shape]:
    """Shapes (height, width, channels)."""
    side = st.integers(1, MAX_SIDE)
    return st.tuples(side, side, st.integers(1, MAX_CHANNELS))


def vectors() -> st.SearchStrategy[Shape]:
    """Shapes (n,)."""
    return st.tuples(st.integers(1, 64))


@st.composite
def layers(
    draw: st.DrawFn,
    operators: Sequence[Operator] = tuple(Operator),
    dtypes: Sequence[DType] = tuple(DType),
    *,
    for_keras: bool = False,
) -> Layer:
    """Any valid layer; windowed ones have any padding, strides together with dilation too.

    Those for Keras have what it can express.
    """
    operator, dtype = draw(st.sampled_from(operators)), draw(st.sampled_from(dtypes))
    if operator in _WINDOW_MAKERS:
        shape = draw(feature_maps())
        return draw(windowed_layers(operator, shape, dtype, for_keras=for_keras))
    if operator is Operator.DENSE:
        return draw(_dense_layers(draw(vectors()), dtype))
    if operator in _GLOBAL_MAKERS:
        return _GLOBAL_MAKERS[operator](draw(feature_maps()), dtype=dtype)
    if operator is Operator.PAD:
        return pad(draw(feature_maps()), draw(_zeros()), dtype=dtype)
    shape = draw(st.one_of(feature_maps(), vectors()))
    if operator in BINARY:
        return draw(_binary_layers(operator, shape, dtype))
    if operator is Operator.CONCATENATION:
        return draw(_joined_layers(shape, dtype))
    if operator is Operator.RESHAPE:
        return reshape(shape, draw(_reshaped(shape)), dtype=dtype)
    if operator in _CAST_MAKERS:
        return _CAST_MAKERS[operator](shape)
    return _ELEMENTWISE_MAKERS[operator](shape, dtype=dtype)


@st.composite
def _binary_layers(draw: st.DrawFn, operator: Operator, shape: Shape, dtype: DType) -> Layer:
    """Two inputs or a constant; one of them may be a vector of the channels or a single value."""
    other = draw(st.sampled_from([shape, shape[-1:], (1,) * len(shape)]))
    options: dict[str, Any] = {"activation": draw(_ACTIVATIONS), "dtype": dtype}
    if draw(st.booleans()):
        options["operand_first"] = operator is Operator.SUB and draw(st.booleans())
        return binary(operator, shape, operand=other, **options)
    pair = [shape, other] if draw(st.booleans()) else [other, shape]
    return binary(operator, *pair, **options)


@st.composite
def _joined_layers(draw: st.DrawFn, shape: Shape, dtype: DType) -> Layer:
    axis = draw(st.integers(-len(shape), -1))
    lengths = draw(st.lists(st.integers(1, MAX_CHANNELS), min_size=2, max_size=5))
    shapes = [list(shape) for _ in lengths]
    for joined, length in zip(shapes, lengths, strict=True):
        joined[axis] = length
    return concatenation([tuple(joined) for joined in shapes], axis=axis, dtype=dtype)


def _zeros() -> st.SearchStrategy[tuple[int, int, int, int]]:
    count = st.integers(0, 2)
    return st.tuples(count, count, count, count).filter(any)


@st.composite
def windowed_layers(
    draw: st.DrawFn,
    operator: Operator,
    shape: Shape,
    dtype: DType,
    *,
    for_keras: bool = False,
    dilated: bool = True,
) -> Layer:
    """A convolution or pooling on ``shape``, restricted to what Keras has if asked to."""
    paddings = [st.just("same"), st.just("valid")]
    if not for_keras:
        paddings.append(st.tuples(*[st.integers(0, 2)] * 4))
    options: dict[str, Any] = {
        "strides": draw(_pairs(1, 3)),
        "padding": draw(st.one_of(paddings)),
        "activation": draw(_ACTIVATIONS),
        "dtype": dtype,
    }
    kernel = draw(_pairs(1, 4))
    if operator not in _POOLS:
        options["use_bias"] = draw(st.booleans())
        if dilated and (not for_keras or max(options["strides"]) == 1):
            options["dilation"] = draw(_pairs(1, 2))
    first: tuple[Any, ...] = (shape, kernel)
    if operator is Operator.CONV2D:
        options["groups"] = draw(st.sampled_from([n for n in (1, 1, 2, 3) if shape[2] % n == 0]))
        filters = draw(st.integers(1, MAX_CHANNELS)) * options["groups"]
        first = (shape, filters, kernel)
    if operator is Operator.DEPTHWISE_CONV2D:
        options["depth_multiplier"] = draw(st.integers(1, 2))
    try:
        return _WINDOW_MAKERS[operator](*first, **options)
    except NetworkError:
        # The window is larger than the map, or the padding larger than the window.
        return _WINDOW_MAKERS[operator](*first, **options | {"padding": "same"})


def _pairs(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    side = st.integers(low, high)
    return st.one_of(side.map(lambda n: (n, n)), st.tuples(side, side))


def _dense_layers(shape: Shape, dtype: DType) -> st.SearchStrategy[Layer]:
    return st.builds(
        dense,
        st.just(shape),
        st.integers(1, 12),
        activation=_ACTIVATIONS,
        use_bias=st.booleans(),
        dtype=st.just(dtype),
    )


def _reshaped(shape: Shape) -> st.SearchStrategy[Shape]:
    """Another shape of as many elements."""
    count = math.prod(shape)
    divisors = [n for n in range(1, count + 1) if count % n == 0]
    others: list[Shape] = [(count,), (1, 1, count)]
    others += [(1, n, count // n) for n in divisors] + [(n, count // n) for n in divisors]
    return st.sampled_from([other for other in others if other != shape])


@st.composite
def networks(
    draw: st.DrawFn, max_blocks: int = 5, dtypes: Sequence[DType] = tuple(DType)
) -> Network:
    """A network in the form that the TFLite converter leaves: nothing to fuse, nothing double.

    Chains of all operators with residual blocks, with and without a layer on the short way,
    concatenations, gates and constants. The paddings are those that Keras can express.
    """
    shape = draw(st.one_of(feature_maps(), feature_maps(), vectors()))
    dtype = draw(st.sampled_from(dtypes))
    builder = NetworkBuilder(shape, dtype)
    grower = _Grower(draw, builder, dtype)
    value = grower.chain(builder.input)
    for _ in range(draw(st.integers(0, max_blocks - 1))):
        blocks = [grower.residual, grower.projected, grower.joined, grower.gated, grower.chain]
        value = draw(st.sampled_from(blocks))(value)
    return builder.build()


class _Grower:
    """Appends parts to a network that is being drawn."""

    def __init__(self, draw: st.DrawFn, builder: NetworkBuilder, dtype: DType) -> None:
        self._draw = draw
        self._builder = builder
        self._dtype = dtype
        self._made: dict[int, Layer] = {}
        self._inputs: dict[int, tuple[int, ...]] = {}

    def chain(self, value: int) -> int:
        """One to three layers of any kind."""
        for _ in range(self._draw(st.integers(1, 3))):
            value = self._any(value)
        return value

    def residual(self, value: int) -> int:
        """``value`` added to something of its shape that is made from it."""
        shape = self._builder.shape(value)
        if len(shape) == 2:
            return self.chain(value)
        if len(shape) == 3:
            kernel = self._draw(_pairs(1, 3))
            long = self._take(self._convolution(shape, shape[2], kernel), value)
        else:
            long = self._take(self._dense(shape, shape[0]), value)
        inputs = (long, value) if self._draw(st.booleans()) else (value, long)
        return self._combine(*inputs)

    def projected(self, value: int) -> int:
        """Two ways from ``value``, the second a single layer with weights."""
        shape = self._builder.shape(value)
        if len(shape) == 2:
            return self.chain(value)
        if len(shape) == 1:
            first = self._draw(_dense_layers(shape, self._dtype))
            second = self._dense(shape, first.output_shape[0])
        else:
            operator = self._draw(st.sampled_from(list(_WINDOW_MAKERS)))
            # The converter cannot fold the dilation of two convolutions that read one value.
            first = self._draw(
                windowed_layers(operator, shape, self._dtype, for_keras=True, dilated=False)
            )
            second = conv2d(
                shape,
                first.output_shape[2],
                first.kernel_size,
                strides=first.strides,
                padding=first.padding,
                dtype=self._dtype,
            )
        return self._combine(self._take(first, value), self._take(second, value))

    def joined(self, value: int) -> int:
        """Several ways from ``value``, joined along the channels; ``value`` itself may be one."""
        shape = self._builder.shape(value)
        if len(shape) == 2:
            return self.chain(value)
        kinds = ["own", "weights", "weights", *(["pool"] if len(shape) == 3 else [])]
        kinds = self._drawn(kinds, 2, 3)
        if self._dtype is DType.INT8 and not {"own", "pool"}.isdisjoint(kinds):
            if self._made[value].operator in _FIXED_SCALES:
                value = self._take(requantize(shape), value)
            elif self._has_fixed_scale(value):
                return self.chain(value)  # What is requantized lies further back.
        parts = [self._part(kind, value, shape) for kind in kinds]
        shapes = [self._builder.shape(part) for part in parts]
        return self._take(concatenation(shapes, dtype=self._dtype), *parts)

    def gated(self, value: int) -> int:
        """``value`` times a factor a channel that is made from it."""
        shape = self._builder.shape(value)
        if len(shape) != 3 or shape[:2] == (1, 1):
            return self.chain(value)
        pool = self._draw(st.sampled_from(list(_GLOBAL_MAKERS.values())))
        gate = self._take(pool(shape, dtype=self._dtype), value)
        gate = self._take(dense(shape[2:], 2, activation="relu", dtype=self._dtype), gate)
        gate = self._take(dense((2,), shape[2], dtype=self._dtype), gate)
        gate = self._take(logistic(shape[2:], dtype=self._dtype), gate)
        product = binary(Operator.MUL, shape, shape[2:], dtype=self._dtype)
        return self._take(product, value, gate)

    def _part(self, kind: str, value: int, shape: Shape) -> int:
        if kind == "own":
            return value
        if kind == "pool":
            pool = max_pool2d(shape, 3, strides=1, padding="same", dtype=self._dtype)
            return self._take(pool, value)
        channels = self._draw(st.integers(1, 5))
        if len(shape) == 1:
            return self._take(self._dense(shape, channels), value)
        return self._take(self._convolution(shape, channels, self._draw(_pairs(1, 3))), value)

    def _drawn(self, kinds: list[str], least: int, most: int) -> list[str]:
        """Some of them in any order, pooling once at most: twice the same is computed once."""
        order = self._draw(st.permutations(kinds))
        return order[: self._draw(st.integers(least, most))]

    def _has_fixed_scale(self, value: int) -> bool:
        """Whether int8 has one scale only for it, so that a concatenation cannot share another."""
        layer = self._made.get(value)
        while layer is not None:
            if layer.operator in _FIXED_SCALES:
                return True
            if layer.operator not in (*_POOLS, Operator.PAD, Operator.GLOBAL_MAX_POOL2D,
                                      Operator.RESHAPE, Operator.CONCATENATION):  # fmt: skip
                return False
            value = self._inputs[value][0]
            layer = self._made.get(value)
        return False

    def _constant(self, value: int) -> int:
        """A constant operand, behind another one or alone; rectified, so that nothing folds it."""
        shape = self._builder.shape(value)
        operators = list(BINARY - {Operator.MUL})
        if self._draw(st.booleans()):
            scale = binary(Operator.MUL, shape, operand=self._operand(shape), dtype=self._dtype)
            value = self._take(scale, value)
        else:
            operators.append(Operator.MUL)
        operator = self._draw(st.sampled_from(sorted(operators)))
        layer = binary(
            operator,
            shape,
            operand=self._operand(shape),
            operand_first=operator is Operator.SUB and self._draw(st.booleans()),
            activation=self._draw(_RECTIFIERS),
            dtype=self._dtype,
        )
        return self._take(layer, value)

    def _operand(self, shape: Shape) -> Shape:
        return self._draw(st.sampled_from([shape[-1:], (1,)]))

    def _padded(self, value: int) -> int:
        """Zeros that no convolution can take up."""
        layer = pad(self._builder.shape(value), self._draw(_zeros()), dtype=self._dtype)
        value = self._take(layer, value)
        pool = max_pool2d(layer.output_shape, 2, strides=1, padding="same", dtype=self._dtype)
        return self._take(pool, value)

    def _convolution(self, shape: Shape, filters: int, kernel: tuple[int, int]) -> Layer:
        return conv2d(shape, filters, kernel, activation=self._activation(), dtype=self._dtype)

    def _dense(self, shape: Shape, units: int) -> Layer:
        return dense(shape, units, activation=self._activation(), dtype=self._dtype)

    def _activation(self) -> str:
        return self._draw(_ACTIVATIONS)

    def _combine(self, x: int, y: int) -> int:
        shape, operator = self._builder.shape(x), self._draw(st.sampled_from(sorted(BINARY)))
        layer = binary(operator, shape, shape, activation=self._activation(), dtype=self._dtype)
        return self._take(layer, x, y)

    def _any(self, value: int) -> int:
        shape = self._builder.shape(value)
        operator = self._draw(st.sampled_from(self._operators(value, shape)))
        if operator in BINARY:
            return self._constant(value)
        if operator is Operator.PAD:
            return self._padded(value)
        if operator in _WINDOW_MAKERS:
            layer = self._draw(windowed_layers(operator, shape, self._dtype, for_keras=True))
        elif operator is Operator.DENSE:
            layer = self._draw(_dense_layers(shape, self._dtype))
        elif operator in _GLOBAL_MAKERS:
            layer = _GLOBAL_MAKERS[operator](shape, dtype=self._dtype)
        elif operator is Operator.RESHAPE:
            layer = reshape(shape, self._draw(_reshaped(shape)), dtype=self._dtype)
        else:
            layer = _ELEMENTWISE_MAKERS[operator](shape, dtype=self._dtype)
        return self._take(layer, value)

    def _operators(self, value: int, shape: Shape) -> list[Operator]:
        choices = [Operator.SOFTMAX]
        if len(shape) == 3:
            choices += [*_WINDOW_MAKERS, *_GLOBAL_MAKERS, Operator.PAD]
        if len(shape) == 1:
            choices.append(Operator.DENSE)
        before = self._made.get(value)
        if before is None or before.operator is not Operator.RESHAPE:
            choices.append(Operator.RESHAPE)
            choices += [op for op in _LONE_MAKERS if before is None or _stands_alone(op, before)]
            if before is None or not _takes_up_constants(before):
                choices.append(Operator.ADD)
        return choices

    def _take(self, layer: Layer, *inputs: int) -> int:
        value = self._builder.append(layer, *inputs)
        self._made[value] = layer
        self._inputs[value] = inputs
        return value


def _stands_alone(activation: Operator, before: Layer) -> bool:
    """Whether an activation after ``before`` would neither fuse nor double what is there."""
    if activation not in (Operator.RELU, Operator.RELU6):
        return True
    if before.operator in FUSING and before.activation is Activation.NONE:
        return False
    return str(activation) not in (before.operator, before.activation)


def _takes_up_constants(layer: Layer) -> bool:
    """Whether a constant operand after it would go into its weights, or join its own constant."""
    return layer.activation is Activation.NONE and (
        layer.operator in PARAMETRIC or bool(layer.operand)
    )
