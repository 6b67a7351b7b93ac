"""Networks that published measurements are of.

The paper's are LeNet and ResNet-20 (Heim et al. 2021, Appendix C) and the networks that it sweeps a
depthwise layer with (M_01f_Depthwise-Conv.ipynb in github.com/lheim/TFLM-Toolchain). The others are
the four of MLPerf Tiny (github.com/mlcommons/tiny, benchmark/training); its visual wake words model
is Silicon Labs' mobilenet_v1_eembc.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from hwnas.network import Network, NetworkBuilder


def lenet() -> Network:
    """The paper's LeNet: 274,656 MACs, 81,194 parameters."""
    b = NetworkBuilder((32, 32, 1))
    x = b.conv2d(b.input, 6, 3, padding="valid", activation="relu")
    x = b.max_pool2d(x)
    x = b.conv2d(x, 16, 3, padding="valid", activation="relu")
    x = b.max_pool2d(x)
    x = b.dense(b.flatten(x), 120, activation="relu")
    x = b.dense(x, 84, activation="relu")
    b.softmax(b.dense(x, 10))
    return b.build()


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
    """Two 3x3 convolutions and the shortcut around them, a 1x1 convolution where sizes change.

    Args:
        b: The network so far.
        x: What the block reads.
        filters: Of every convolution.
        stride: Of the first convolution and of the shortcut.

    Returns:
        The value that the block makes.
    """
    y = b.conv2d(x, filters, 3, strides=stride, activation="relu")
    y = b.conv2d(y, filters, 3)
    if stride != 1:
        x = b.conv2d(x, filters, 1, strides=stride)
    return b.add(x, y, activation="relu")


def depthwise_sweep(kernel_size: int, channels: int = 100) -> Network:
    """One of the networks that the paper measures depthwise convolutions with."""
    b = NetworkBuilder((24, 24, 1))
    x = b.conv2d(b.input, channels, kernel_size, activation="relu")
    x = b.depthwise_conv2d(x, kernel_size, activation="relu")
    b.softmax(b.dense(b.flatten(x), 10))
    return b.build()


def resnet8() -> Network:
    """MLPerf Tiny's image classification model."""
    b = NetworkBuilder((32, 32, 3))
    x = b.conv2d(b.input, 16, 3, activation="relu")
    for stage in range(3):
        x = residual_block(b, x, 16 << stage, 2 if stage else 1)
    x = b.average_pool2d(x, 8)
    b.softmax(b.dense(b.flatten(x), 10))
    return b.build()


def ds_cnn() -> Network:
    """MLPerf Tiny's keyword spotting model."""
    b = NetworkBuilder((49, 10, 1))
    x = b.conv2d(b.input, 64, (10, 4), strides=2, activation="relu")
    for _ in range(4):
        x = b.depthwise_conv2d(x, 3, activation="relu")
        x = b.conv2d(x, 64, 1, activation="relu")
    x = b.average_pool2d(x, (25, 5))
    b.softmax(b.dense(b.flatten(x), 12))
    return b.build()


def mobilenet_v1() -> Network:
    """MLPerf Tiny's visual wake words model: MobileNetV1 0.25 on 96x96 images."""
    b = NetworkBuilder((96, 96, 3))
    x = b.conv2d(b.input, 8, 3, strides=2, activation="relu")
    for filters, stride in (
        (16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1),
    ):  # fmt: skip
        x = b.depthwise_conv2d(x, 3, strides=stride, activation="relu")
        x = b.conv2d(x, filters, 1, activation="relu")
    x = b.average_pool2d(x, 3)
    b.softmax(b.dense(b.flatten(x), 2))
    return b.build()


def autoencoder() -> Network:
    """MLPerf Tiny's anomaly detection model."""
    b = NetworkBuilder((640,))
    x = b.input
    for units in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = b.dense(x, units, activation="relu")
    b.dense(x, 640)
    return b.build()


NETWORKS: Final[Mapping[str, Callable[[], Network]]] = MappingProxyType(
    {
        "LeNet": lenet,
        "ResNet-20": resnet20,
        "depthwise sweep, 1x1 and 100 channels": partial(depthwise_sweep, 1),
        "depthwise sweep, 3x3 and 100 channels": partial(depthwise_sweep, 3),
        "ResNet-8": resnet8,
        "DS-CNN": ds_cnn,
        "MobileNetV1 0.25": mobilenet_v1,
        "autoencoder": autoencoder,
    }
)
"""What makes each network, by the name that rows of measurements give it."""
