"""Which C function computes a layer, when it is the one, and how it goes through its data.

Of CMSIS-NN's convolutions the fastest that can compute a layer is chosen by the layer's shape, in
``arm_convolve_wrapper_s8.c`` and ``arm_depthwise_conv_wrapper_s8.c`` (v4.0.0, cores with the DSP
extension and without MVE), but for one case: the 3x3 depthwise kernel reads a column beyond the
image where two are padded on the right, so ``run_depthwise`` in
``firmware/kernels/cmsis_nn/cmsis_nn.c`` goes past the wrapper there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from hwnas.network import Layer, Operator


def _always(layer: Layer) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class KernelRule:
    """A C function, and when it is the one that computes a layer.

    Attributes:
        function: Its name.
        why: What makes it the one, in words.
        works: How it goes through its data, in words; empty where nothing but size matters.
        source: The file that tells, in CMSIS-NN or in ``firmware/kernels``.
        holds: Whether it can compute a layer of its operator; of several rules the first counts.
    """

    function: str
    why: str
    works: str = ""
    source: str = ""
    holds: Callable[[Layer], bool] = field(default=_always, repr=False, compare=False)


def is_pointwise(layer: Layer) -> bool:
    """Whether a convolution's window is a single pixel, so that no columns are gathered."""
    return layer.kernel_size == (1, 1) and layer.dilation == (1, 1) and layer.padding[:2] == (0, 0)


def _is_row(layer: Layer) -> bool:
    return layer.input_shape[0] == 1 and layer.kernel_size[0] == 1


def _suits_3x3_kernel(layer: Layer) -> bool:
    top, left, _, right = layer.padding
    return layer.kernel_size == (3, 3) and max(top, left, right) <= 1


def _is_plain_depthwise(layer: Layer) -> bool:
    return layer.depth_multiplier == 1 and layer.dilation == (1, 1)


_CONVOLUTION_WRAPPER: Final = "arm_convolve_wrapper_s8.c"
_DEPTHWISE_WRAPPER: Final = "arm_depthwise_conv_wrapper_s8.c"
_MATRIX: Final = (
    "reads pixels where they are, without a copy: 2 pixels and 2 filters a pass, 16 input channels "
    "at once, then 4, then one by one; of an odd number of output channels the last filter goes "
    "product by product"
)
_COLUMNS: Final = (
    "copies each window into a column of 16-bit values, then takes 2 windows and 2 filters a "
    "pass, 4 products of a window (height x width x input channels) at once and the rest one by "
    "one; channels divisible by 4 are copied 4 at a time"
)

CONVOLUTION_RULES: Final = (
    KernelRule(
        "own_grouped_convolution",
        "the channels are split into groups, for which CMSIS-NN 4.0.0 has no kernel",
        "copies 2 windows of a group into columns of bytes and takes 2 filters a pass",
        "firmware/kernels/cmsis_nn/grouped_convolution.c",
        lambda layer: layer.groups != 1,
    ),
    KernelRule(
        "arm_convolve_1x1_s8_fast",
        "the window is 1x1 without padding and the stride is 1: the whole map is one matrix",
        _MATRIX,
        _CONVOLUTION_WRAPPER,
        lambda layer: is_pointwise(layer) and layer.strides == (1, 1),
    ),
    KernelRule(
        "arm_convolve_1x1_s8",
        "the window is 1x1 without padding, but the stride is not 1: each row is a matrix",
        _MATRIX,
        _CONVOLUTION_WRAPPER,
        is_pointwise,
    ),
    KernelRule(
        "arm_convolve_1_x_n_s8",
        "the map and the window are one row, undilated, and the output's width is a multiple of 4",
        f"hands over to arm_convolve_s8 on a core without MVE, which {_COLUMNS}",
        _CONVOLUTION_WRAPPER,
        lambda layer: _is_row(layer) and layer.dilation[1] == 1 and layer.output_shape[1] % 4 == 0,
    ),
    KernelRule(
        "arm_convolve_s8",
        "it is the general one: no faster kernel suits this window, padding, stride and dilation",
        _COLUMNS,
        _CONVOLUTION_WRAPPER,
    ),
)
DEPTHWISE_RULES: Final = (
    KernelRule(
        "arm_depthwise_conv_s8",
        "a depth multiplier above 1, or a dilation: only the general kernel computes those",
        "goes product by product, without DSP instructions; where the depth multiplier is a "
        "multiple of 4 and nothing is dilated, 4 outputs of a channel at a time",
        _DEPTHWISE_WRAPPER,
        lambda layer: not _is_plain_depthwise(layer),
    ),
    KernelRule(
        "arm_depthwise_conv_3x3_s8",
        "the window is 3x3, undilated, with at most one row or column padded at top, left and "
        "right, and the depth multiplier is 1",
        "takes 4 channels a pass, the rest one by one, and copies nothing",
        _DEPTHWISE_WRAPPER,
        _suits_3x3_kernel,
    ),
    KernelRule(
        "arm_depthwise_conv_s8_opt",
        "the depth multiplier is 1 and nothing is dilated, but the window is not 3x3, or more is "
        "padded than the 3x3 kernel bears",
        "copies each window into a column of 16-bit values, then takes 4 channels and 2 products "
        "a pass",
        _DEPTHWISE_WRAPPER,
    ),
)
"""In the order in which they are asked."""


def convolution_rule(layer: Layer) -> KernelRule:
    """The rule by which the set ``cmsis_nn`` computes a convolution, depthwise or not."""
    rules = CONVOLUTION_RULES if layer.operator is Operator.CONV2D else DEPTHWISE_RULES
    return next(rule for rule in rules if rule.holds(layer))
