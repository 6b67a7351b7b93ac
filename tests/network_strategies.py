"""Hypothesis strategies for layers and networks, small enough to run on a board."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from hwnas.errors import NetworkError
from hwnas.network import (
    FUSING,
    Activation,
    DType,
    Layer,
    Network,
    NetworkBuilder,
    Operator,
    Shape,
    add,
    average_pool2d,
    conv2d,
    dense,
    depthwise_conv2d,
    global_average_pool2d,
    max_pool2d,
    relu,
    relu6,
    reshape,
    softmax,
)

MAX_SIDE = 10
MAX_CHANNELS = 9
_ACTIVATIONS = st.sampled_from([str(activation) for activation in Activation])
_WINDOW_MAKERS = {
    Operator.CONV2D: conv2d,
    Operator.DEPTHWISE_CONV2D: depthwise_conv2d,
    Operator.MAX_POOL2D: max_pool2d,
    Operator.AVERAGE_POOL2D: average_pool2d,
}
_ELEMENTWISE_MAKERS = {
    Operator.SOFTMAX: softmax,
    Operator.RELU: relu,
    Operator.RELU6: relu6,
}
_LONE = (Operator.RELU, Operator.RELU6)
_POOLS = (Operator.MAX_POOL2D, Operator.AVERAGE_POOL2D)


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
) -> Layer:
    """Any valid layer; windowed ones have any padding, strides together with dilation too."""
    operator, dtype = draw(st.sampled_from(operators)), draw(st.sampled_from(dtypes))
    if operator in _WINDOW_MAKERS:
        return draw(windowed_layers(operator, draw(feature_maps()), dtype))
    if operator is Operator.DENSE:
        return draw(_dense_layers(draw(vectors()), dtype))
    if operator is Operator.GLOBAL_AVERAGE_POOL2D:
        return global_average_pool2d(draw(feature_maps()), dtype=dtype)
    shape = draw(st.one_of(feature_maps(), vectors()))
    if operator is Operator.ADD:
        return add(shape, activation=draw(_ACTIVATIONS), dtype=dtype)
    if operator is Operator.RESHAPE:
        return reshape(shape, draw(_reshaped(shape)), dtype=dtype)
    return _ELEMENTWISE_MAKERS[operator](shape, dtype=dtype)


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
        first = (shape, draw(st.integers(1, MAX_CHANNELS)), kernel)
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

    Chains of all operators with residual blocks, with and without a layer on the short way. The
    paddings are those that Keras can express.
    """
    shape = draw(st.one_of(feature_maps(), feature_maps(), vectors()))
    dtype = draw(st.sampled_from(dtypes))
    builder = NetworkBuilder(shape, dtype)
    grower = _Grower(draw, builder, dtype)
    value = grower.chain(builder.input)
    for _ in range(draw(st.integers(0, max_blocks - 1))):
        block = draw(st.sampled_from([grower.residual, grower.projected, grower.chain]))
        value = block(value)
    return builder.build()


class _Grower:
    """Appends parts to a network that is being drawn."""

    def __init__(self, draw: st.DrawFn, builder: NetworkBuilder, dtype: DType) -> None:
        self._draw = draw
        self._builder = builder
        self._dtype = dtype
        self._made: dict[int, Layer] = {}

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
        return self._add(*inputs)

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
        return self._add(self._take(first, value), self._take(second, value))

    def _convolution(self, shape: Shape, filters: int, kernel: tuple[int, int]) -> Layer:
        return conv2d(shape, filters, kernel, activation=self._activation(), dtype=self._dtype)

    def _dense(self, shape: Shape, units: int) -> Layer:
        return dense(shape, units, activation=self._activation(), dtype=self._dtype)

    def _activation(self) -> str:
        return self._draw(_ACTIVATIONS)

    def _add(self, x: int, y: int) -> int:
        shape = self._builder.shape(x)
        return self._take(add(shape, activation=self._activation(), dtype=self._dtype), x, y)

    def _any(self, value: int) -> int:
        shape = self._builder.shape(value)
        operator = self._draw(st.sampled_from(self._operators(value, shape)))
        if operator in _WINDOW_MAKERS:
            layer = self._draw(windowed_layers(operator, shape, self._dtype, for_keras=True))
        elif operator is Operator.DENSE:
            layer = self._draw(_dense_layers(shape, self._dtype))
        elif operator is Operator.GLOBAL_AVERAGE_POOL2D:
            layer = global_average_pool2d(shape, dtype=self._dtype)
        elif operator is Operator.RESHAPE:
            layer = reshape(shape, self._draw(_reshaped(shape)), dtype=self._dtype)
        else:
            layer = _ELEMENTWISE_MAKERS[operator](shape, dtype=self._dtype)
        return self._take(layer, value)

    def _operators(self, value: int, shape: Shape) -> list[Operator]:
        choices = [Operator.SOFTMAX]
        if len(shape) == 3:
            choices += [*_WINDOW_MAKERS, Operator.GLOBAL_AVERAGE_POOL2D]
        if len(shape) == 1:
            choices.append(Operator.DENSE)
        before = self._made.get(value)
        if before is None or before.operator is not Operator.RESHAPE:
            choices.append(Operator.RESHAPE)
            choices += [op for op in _LONE if before is None or _stands_alone(op, before)]
        return choices

    def _take(self, layer: Layer, *inputs: int) -> int:
        value = self._builder.append(layer, *inputs)
        self._made[value] = layer
        return value


def _stands_alone(rectifier: Operator, before: Layer) -> bool:
    """Whether a rectifier after ``before`` would neither fuse nor double what is there."""
    if before.operator in FUSING and before.activation is Activation.NONE:
        return False
    return str(rectifier) not in (before.operator, before.activation)
