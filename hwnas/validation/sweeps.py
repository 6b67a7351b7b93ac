"""The paper's sweeps over the length of what a layer reads: single layers, at its sizes.

From the networks of Heim et al. 2021, Figures 12 to 14, as M_01e_DenseBenchmark.ipynb,
M_01df_SingleConvBenchmark.ipynb and M_01f_Depthwise-Conv.ipynb in github.com/lheim/TFLM-Toolchain
build them, with windows of 1, 3 and 5. Table 4 has a row for 1x1 convolutions, so its row of 2-D
convolutions is taken for those with the other windows; of depthwise convolutions it has one row,
which is taken for all three. Of the 21 numbers of channels that the paper sweeps, 100 to 120, the
eight in the middle are run: what depends on the remainder by 4 shows, in less than half the time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from hwnas.network import Layer, conv2d, dense, depthwise_conv2d

MakeLayer = Callable[[int], Layer]

_CHANNELS: Final = range(106, 114)


def _dense(length: int) -> Layer:
    return dense((length,), 450, activation="relu")


def _convolution(kernel_size: int) -> MakeLayer:
    return lambda channels: conv2d((32, 32, channels), 60, kernel_size, activation="relu")


def _depthwise(kernel_size: int) -> MakeLayer:
    return lambda channels: depthwise_conv2d((24, 24, channels), kernel_size, activation="relu")


SWEEPS: Final[Mapping[str, tuple[range, tuple[MakeLayer, ...]]]] = MappingProxyType(
    {
        "dense": (range(440, 500), (_dense,)),
        "conv2d": (_CHANNELS, (_convolution(3), _convolution(5))),
        "conv2d 1x1": (_CHANNELS, (_convolution(1),)),
        "depthwise_conv2d": (_CHANNELS, (_depthwise(1), _depthwise(3), _depthwise(5))),
    }
)
"""The lengths of each sweep, and what makes its layers of one length."""

LENGTHS: Final[Mapping[str, Callable[[int], bool]]] = MappingProxyType(
    {
        "odd": lambda length: length % 2 == 1,
        "even": lambda length: length % 2 == 0,
        "multiples of 4": lambda length: length % 4 == 0,
        "all": lambda length: True,
    }
)
"""The columns of Table 4. Even lengths include the multiples of 4: only so do its figures for all
lengths follow from those for odd and even ones."""


def sweep_layers(sweep: str, lengths: str = "all") -> list[Layer]:
    """The layers of a sweep.

    Args:
        sweep: One of :data:`SWEEPS`.
        lengths: One of :data:`LENGTHS`.

    Example:
        >>> [layer.input_shape for layer in sweep_layers("conv2d 1x1", "multiples of 4")][:2]
        [(32, 32, 108), (32, 32, 112)]
    """
    every, makers = SWEEPS[sweep]
    kept = [length for length in every if LENGTHS[lengths](length)]
    return [make(length) for length in kept for make in makers]
