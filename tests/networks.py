"""Networks that several test modules build, and a strategy for random ones."""

from __future__ import annotations

from hypothesis import strategies as st

from hwnas.network import Network, NetworkBuilder


def resnet20() -> Network:
    """The paper's ResNet-20, whose shortcuts between stages are 1x1 convolutions."""
    b = NetworkBuilder((32, 32, 3))
    x = b.conv2d(b.input, 16, 3, activation="relu")
    for stage in range(3):
        for block in range(3):
            x = residual_block(b, x, 16 << stage, 2 if stage and not block else 1)
    b.softmax(b.dense(b.global_average_pool2d(x), 10))
    return b.build()


def residual_block(b: NetworkBuilder, x: int, filters: int, stride: int) -> int:
    y = b.conv2d(x, filters, 3, strides=stride, activation="relu")
    y = b.conv2d(y, filters, 3)
    if stride != 1:
        x = b.conv2d(x, filters, 1, strides=stride)
    return b.add(x, y, activation="relu")


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Chains and branches of feature maps, with or without a classifier behind them."""
    side, channels = draw(st.integers(1, 12)), draw(st.integers(1, 9))
    b = NetworkBuilder((side, draw(st.integers(1, 12)), channels))
    kinds = ["conv", "depthwise", "pool", "relu", "residual", "skip"]
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
    if kind == "relu":
        return b.relu(x) if draw(st.booleans()) else b.relu6(x)
    if kind == "reshape":
        height, width, channels = b.shape(x)
        return b.reshape(x, (width, height, channels))
    if kind == "skip":
        y = b.conv2d(x, draw(st.integers(1, 20)), kernel)
        y = b.relu(b.conv2d(y, b.shape(x)[2], 1))
        return b.add(x, y) if draw(st.booleans()) else b.add(y, x)
    filters = draw(st.integers(1, 20))
    left, right = b.conv2d(x, filters, kernel), b.conv2d(x, filters, 1)
    return b.add(left, right, activation="relu")
