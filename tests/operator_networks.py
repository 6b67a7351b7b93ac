"""A Hypothesis strategy for networks with every operator and option that plans know."""

from __future__ import annotations

from hypothesis import strategies as st

from hwnas.network import Network, NetworkBuilder

_ACTIVATIONS = st.sampled_from(["none", "relu", "relu6"])
_POINTWISE = ("relu", "leaky_relu", "logistic", "tanh", "hard_swish", "requantize")


@st.composite
def operator_networks(draw: st.DrawFn) -> Network:
    """Chains of what ``networks`` of networks.py lacks, with floats at the ends or without."""
    b = NetworkBuilder(tuple(draw(st.integers(1, 8)) for _ in range(3)))
    x = b.quantize(b.input) if draw(st.booleans()) else b.conv2d(b.input, 6, 1)
    for _ in range(draw(st.integers(1, 6))):
        x = draw(st.sampled_from(_KINDS))(draw, b, x)
    if draw(st.booleans()):
        x = b.softmax(b.dense(b.global_max_pool2d(x), draw(st.integers(1, 9))))
    if draw(st.booleans()):
        b.dequantize(x)
    return b.build()


def _grouped(draw: st.DrawFn, b: NetworkBuilder, x: int) -> int:
    groups = draw(st.integers(2, 3))
    x = b.conv2d(x, groups * draw(st.integers(1, 3)), 1)
    filters = groups * draw(st.integers(1, 3))
    kernel, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    return b.conv2d(x, filters, kernel, dilation=dilation, groups=groups)


def _dilated(draw: st.DrawFn, b: NetworkBuilder, x: int) -> int:
    dilation = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    if draw(st.booleans()):
        return b.conv2d(x, draw(st.integers(1, 5)), 3, dilation=dilation)
    return b.depthwise_conv2d(x, 3, dilation=dilation, activation=draw(_ACTIVATIONS))


def _pointwise(draw: st.DrawFn, b: NetworkBuilder, x: int) -> int:
    made: int = getattr(b, draw(st.sampled_from(_POINTWISE)))(x)
    return made


def _binary(draw: st.DrawFn, b: NetworkBuilder, x: int) -> int:
    combine = draw(st.sampled_from([b.add, b.sub, b.mul]))
    activation = draw(_ACTIVATIONS)
    shape = b.shape(x)
    other = draw(st.sampled_from(["constant", "vector", "scalar", "equal"]))
    if other == "constant":
        operand = draw(st.sampled_from([shape, (shape[-1],), (1,)]))
        if combine == b.sub and draw(st.booleans()):
            return b.sub(x, operand=operand, operand_first=True, activation=activation)
        return combine(x, operand=operand, activation=activation)
    y = b.conv2d(x, shape[-1], 1)
    if other == "vector":
        y = b.global_average_pool2d(y)
    if other == "scalar":
        y = b.dense(b.global_max_pool2d(y), 1)
    pair = (x, y) if draw(st.booleans()) else (y, x)
    made = combine(*pair, activation=activation)
    return made if b.shape(made) == shape else b.reshape(made, shape)


def _concatenation(draw: st.DrawFn, b: NetworkBuilder, x: int) -> int:
    count = draw(st.sampled_from([2, 3, 11]))
    values = [x, b.conv2d(x, b.shape(x)[-1], 1)]
    joined = [values[draw(st.integers(0, 1))] for _ in range(count - 2)]
    x = b.concatenation([*values, *joined], axis=draw(st.integers(-3, -1)))
    return b.max_pool2d(x, (3, 3), padding="same")


def _pad(draw: st.DrawFn, b: NetworkBuilder, x: int) -> int:
    top, left, bottom, right = (draw(st.integers(0, 2)) for _ in range(4))
    return b.pad(x, (top, left, bottom, right))


_KINDS = (_grouped, _dilated, _pointwise, _binary, _concatenation, _pad)
