"""Networks that several test modules build, and a strategy for random ones."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from hwnas.network import Network, NetworkBuilder
from hwnas.validation.networks import (
    autoencoder,
    ds_cnn,
    lenet,
    residual_block,
    resnet8,
    resnet20,
)


def mobilenet_v2() -> Network:
    """MobileNetV2 0.35 on 96x96 images, two classes: visual wake words."""
    b = NetworkBuilder((96, 96, 3))
    x = b.conv2d(b.input, 16, 3, strides=2, activation="relu6")
    x = b.conv2d(b.depthwise_conv2d(x, 3, activation="relu6"), 8, 1)
    for filters, count, stride in (
        (8, 2, 2), (16, 3, 2), (24, 4, 2), (32, 3, 1), (56, 3, 2), (112, 1, 1),
    ):  # fmt: skip
        for i in range(count):
            x = _inverted_residual(b, x, filters, stride if i == 0 else 1)
    x = b.conv2d(x, 1280, 1, activation="relu6")
    b.softmax(b.dense(b.global_average_pool2d(x), 2))
    return b.build()


def _inverted_residual(b: NetworkBuilder, x: int, filters: int, stride: int) -> int:
    channels = b.shape(x)[2]
    y = b.conv2d(x, 6 * channels, 1, activation="relu6")
    y = b.depthwise_conv2d(y, 3, strides=stride, activation="relu6")
    y = b.conv2d(y, filters, 1)
    return b.add(x, y) if b.shape(x) == b.shape(y) else y


def cnn_1d() -> Network:
    """A network for three axes of an accelerometer, with operators that stand alone."""
    b = NetworkBuilder((128, 3))
    x = b.reshape(b.input, (1, 128, 3))
    for filters in (16, 24, 32):
        x = b.hard_swish(b.conv2d(x, filters, (1, 5)))
        x = b.leaky_relu(b.max_pool2d(x, (1, 2)))
    y = b.depthwise_conv2d(x, (1, 3), dilation=(1, 2), activation="relu")
    x = b.concatenation([y, b.mul(x, b.logistic(b.conv2d(x, 32, 1)))])
    x = b.conv2d(x, 32, (1, 3), groups=2, activation="relu")
    b.softmax(b.dense(b.global_max_pool2d(x), 6))
    return b.build()


WHOLE: dict[str, Callable[[], Network]] = {
    make.__name__: make
    for make in (lenet, resnet8, resnet20, ds_cnn, mobilenet_v2, autoencoder, cnn_1d)
}
"""Networks of the kinds that people deploy."""


def separable() -> Network:
    """A small network of depthwise-separable convolutions."""
    b = NetworkBuilder((16, 16, 3))
    x = b.conv2d(b.input, 8, 3, strides=2, activation="relu6")
    for filters in (12, 20):
        x = b.depthwise_conv2d(x, 3, activation="relu6")
        x = b.conv2d(x, filters, 1, activation="relu6")
    b.softmax(b.dense(b.global_average_pool2d(x), 10))
    return b.build()


def residual() -> Network:
    """A small network with a shortcut and pooling."""
    b = NetworkBuilder((12, 12, 3))
    x = residual_block(b, b.conv2d(b.input, 8, 3, activation="relu"), 12, 2)
    x = b.relu(b.average_pool2d(x))
    b.dense(b.flatten(x), 5)
    return b.build()


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Chains and branches of feature maps, with or without a classifier behind them."""
    side, channels = draw(st.integers(1, 12)), draw(st.integers(1, 9))
    b = NetworkBuilder((side, draw(st.integers(1, 12)), channels))
    kinds = ["conv", "depthwise", "pool", "lone", "residual", "skip", "gate", "joined", "pad"]
    kinds += ["constant", "grouped"]
    x = _feature_layer(draw, b, b.input, kinds)
    for _ in range(draw(st.integers(0, 5))):
        x = _feature_layer(draw, b, x, [*kinds, "reshape"])
    if draw(st.booleans()):
        x = b.flatten(x) if draw(st.booleans()) else b.global_average_pool2d(x)
        if draw(st.booleans()):
            x = b.dense(x, draw(st.integers(1, 30)), activation="relu")
        b.softmax(b.dense(x, draw(st.integers(1, 11)), use_bias=draw(st.booleans())))
    return b.build()


def _feature_layer(draw: st.DrawFn, b: NetworkBuilder, x: int, kinds: list[str]) -> int:
    kind = draw(st.sampled_from(kinds))
    kernel = draw(st.integers(1, 5))
    options = {
        "strides": draw(st.integers(1, 2)),
        "activation": draw(st.sampled_from(["none", "relu", "relu6"])),
    }
    if kind == "conv":
        filters = draw(st.integers(1, 20))
        return b.conv2d(x, filters, kernel, use_bias=draw(st.booleans()), **options)
    if kind == "depthwise":
        multiplier = draw(st.integers(1, 3))
        return b.depthwise_conv2d(x, kernel, depth_multiplier=multiplier, **options)
    if kind == "pool":
        pool = b.max_pool2d if draw(st.booleans()) else b.average_pool2d
        return pool(x, kernel, padding="same")
    if kind == "lone":
        lone = [b.relu, b.relu6, b.leaky_relu, b.logistic, b.tanh, b.hard_swish]
        return draw(st.sampled_from(lone))(x)
    if kind == "constant":
        operator = draw(st.sampled_from([b.add, b.sub, b.mul]))
        return operator(x, operand=draw(st.sampled_from([(1,), b.shape(x)[2:]])))
    if kind == "pad":
        return b.pad(x, (draw(st.integers(0, 1)), 1, 0, draw(st.integers(0, 2))))
    if kind == "grouped":
        groups = draw(st.sampled_from([n for n in (1, 2, 3) if b.shape(x)[2] % n == 0]))
        return b.conv2d(x, groups * draw(st.integers(1, 6)), kernel, groups=groups, **options)
    if kind == "joined":
        axis = draw(st.sampled_from([-1, -1, -2, -3]))
        filters = draw(st.integers(1, 9)) if axis == -1 else b.shape(x)[2]
        parts = [b.conv2d(x, filters, kernel), x, b.max_pool2d(x, 1)]
        return b.concatenation(draw(st.permutations(parts)), axis=axis)
    if kind == "gate":
        gate = b.global_max_pool2d(x) if draw(st.booleans()) else b.global_average_pool2d(x)
        gate = b.logistic(b.dense(gate, b.shape(x)[2]))
        return b.mul(x, gate) if draw(st.booleans()) else b.sub(gate, x)
    if kind == "reshape":
        height, width, channels = b.shape(x)
        return b.reshape(x, (width, height, channels))
    if kind == "skip":
        y = b.conv2d(x, draw(st.integers(1, 20)), kernel)
        y = b.relu(b.conv2d(y, b.shape(x)[2], 1))
        combine = draw(st.sampled_from([b.add, b.sub, b.mul]))
        return combine(x, y) if draw(st.booleans()) else combine(y, x)
    filters = draw(st.integers(1, 20))
    left, right = b.conv2d(x, filters, kernel), b.conv2d(x, filters, 1)
    return b.add(left, right, activation="relu")
