"""What the host must know about the firmware's kernels: scratch memory, variants, liked channels.

What is said of the set ``cmsis_nn`` follows CMSIS-NN v4.0.0, whose sources come with the pinned
``bakenn`` wheel, as built for cores with the DSP extension and without MVE (Cortex-M4, M7 and M33).
Each rule names the source file that it was read from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from hwnas._kernel_rules import KernelRule, convolution_rule, is_pointwise
from hwnas.errors import PlanError
from hwnas.network import BINARY, CONVOLUTIONS, ELEMENTWISE, DType, Layer, Operator

LARGEST_SIDE: Final = 0x7FFF
"""Largest height and width of a feature map and of a window: the kernels keep positions along an
axis in 16 signed bits (arm_depthwise_conv_s8_opt.c)."""
LARGEST_WINDOW: Final = 0xFFFF
"""Most products that one sum of a convolution may hold: the kernels count them in 16 unsigned bits
(arm_convolve_s8.c, arm_depthwise_conv_s8_opt.c)."""
_INT16_BYTES: Final = 2
_INT32_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class SnappingRule:
    """Which channel counts the kernels of one version like, and where.

    Attributes:
        multiple: Channel counts divisible by this are read by whole words, without a remainder.
        readers: Operators that gain from it when they *read* such a value.
        source: What the rule was read from.
    """

    multiple: int
    readers: frozenset[Operator]
    source: str


@dataclass(frozen=True, slots=True)
class KernelSet:
    """One set of kernels that the firmware carries.

    Attributes:
        name: As in the table's key.
        version: As in the table's key.
        code: Number in the header of a plan.
        dtype: The type that its kernels compute in.
        snapping: The channel counts that its kernels like.
    """

    name: str
    version: str
    code: int
    dtype: DType
    snapping: SnappingRule


CMSIS_NN: Final = KernelSet(
    name="cmsis_nn",
    version="4.0.0",
    code=0,
    dtype=DType.INT8,
    snapping=SnappingRule(
        multiple=4,
        readers=frozenset({Operator.CONV2D, Operator.DENSE}),
        source=(
            "arm_nn_mat_mult_kernel_s8_s16.c, arm_nn_mat_mult_nt_t_s8.c and "
            "arm_nn_vec_mat_mult_t_s8.c take 4 columns a pass and the rest one by one; "
            "Heim et al. 2021, Table 4, measured the gain. Depthwise kernels take channels as "
            "they come (arm_depthwise_conv_3x3_s8.c) and gain nothing from aligned reads."
        ),
    ),
)
"""Arm's CMSIS-NN, with hwnas's own kernels for the operators that the wheel lacks."""

_ANY_CHANNELS: Final = SnappingRule(
    multiple=1,
    readers=frozenset(),
    source="firmware/kernels: loops over one element after the other",
)
REFERENCE: Final = KernelSet("reference", "1", 1, DType.INT8, _ANY_CHANNELS)
"""Portable C without DSP instructions: the paper's case without CMSIS-NN."""
FLOAT32: Final = KernelSet("float32", "1", 2, DType.FLOAT32, _ANY_CHANNELS)
"""Unquantized networks."""

KERNEL_SETS: Final[Mapping[str, KernelSet]] = MappingProxyType(
    {kernels.name: kernels for kernels in (CMSIS_NN, REFERENCE, FLOAT32)}
)
"""The kernel sets that firmware images carry, by name."""


def default_kernels(dtype: DType) -> KernelSet:
    """The fastest kernels for a type."""
    return CMSIS_NN if dtype is DType.INT8 else FLOAT32


def kernel_set_named(name: str) -> KernelSet:
    """The kernel set called ``name``.

    Raises:
        PlanError: There is no such set.
    """
    found = KERNEL_SETS.get(name)
    if found is None:
        raise PlanError(
            f"kernel set {name!r} is not in the firmware: take one of {', '.join(KERNEL_SETS)}"
        )
    return found


def find_kernel_set(name: str | None, dtype: DType) -> KernelSet:
    """The kernel set called ``name``, checked against the type that it shall compute in.

    Args:
        name: Of the set; ``None`` means the fastest for the type.
        dtype: Of the network.

    Raises:
        PlanError: There is no such set, or it computes in another type.

    Example:
        >>> find_kernel_set("cmsis_nn", DType.INT8).version
        '4.0.0'
    """
    if name is None:
        return default_kernels(dtype)
    found = kernel_set_named(name)
    if dtype is not found.dtype:
        raise PlanError(
            f"kernel set {name} computes in {found.dtype}, the network is {dtype}: quantize it, "
            f"or describe it with dtype={found.dtype}"
        )
    return found


def scratch_bytes(layer: Layer, kernels: KernelSet = CMSIS_NN) -> int:
    """Bytes of scratch memory that a layer's kernel asks for while it runs.

    The values are those of the ``*_get_buffer_size`` functions, in bytes, but for the 3x3 depthwise
    kernel, whose wrapper asks for memory that it does not use. Of hwnas's own kernels only the
    grouped convolution of ``cmsis_nn`` asks for any; CMSIS-NN's max pooling asks for none.

    Example:
        >>> from hwnas.network import conv2d
        >>> scratch_bytes(conv2d((28, 28, 8), 4, 3))
        288
    """
    if kernels is not CMSIS_NN:
        return 0
    operator, channels = layer.operator, layer.input_shape[-1]
    taps = math.prod(layer.kernel_size)
    if layer.groups != 1:
        return 2 * channels // layer.groups * taps  # grouped_convolution.c: two columns of bytes
    if operator is Operator.CONV2D and not is_pointwise(layer):
        # arm_convolve_s8.c; arm_convolve_1_x_n_s8.c asks for the same without MVE. Two columns.
        return 2 * channels * taps * _INT16_BYTES
    if (
        operator is Operator.DEPTHWISE_CONV2D
        and convolution_rule(layer).function == "arm_depthwise_conv_s8_opt"
    ):
        return channels * taps * _INT16_BYTES  # arm_depthwise_conv_s8_opt.c: one column
    if operator is Operator.AVERAGE_POOL2D:
        return channels * _INT32_BYTES  # arm_avgpool_s8.c: one sum a channel
    return 0


IN_PLACE: Final = ELEMENTWISE | BINARY | {Operator.SOFTMAX, Operator.REQUANTIZE}
"""Operators whose kernels may write their output over an input of its size: each element is read
before the one in its place is written (firmware/src/check_memory.c)."""


def kernel_variant(layer: Layer, kernels: KernelSet = CMSIS_NN) -> str:
    """Name of the C function that computes a layer, for reports.

    Example:
        >>> from hwnas.network import conv2d
        >>> kernel_variant(conv2d((28, 28, 8), 4, 1))
        'arm_convolve_1x1_s8_fast'
    """
    return kernel_rule(layer, kernels).function


def kernel_rule(layer: Layer, kernels: KernelSet = CMSIS_NN) -> KernelRule:
    """The C function that computes a layer, why it is that one, and how it works.

    Example:
        >>> from hwnas.network import conv2d
        >>> kernel_rule(conv2d((28, 28, 8), 4, 1, strides=2)).why
        'the window is 1x1 without padding, but the stride is not 1: each row is a matrix'
    """
    if kernels is CMSIS_NN and layer.operator in CONVOLUTIONS:
        return convolution_rule(layer)
    function = _only_function(layer, kernels)
    if layer.is_free:
        return KernelRule(function, "a reshape is another view of the same bytes: nothing runs")
    if layer.operator in _SHARED:
        why = f"it computes every {layer.operator}, whatever the kernel set"
        return KernelRule(function, why, source="firmware/kernels")
    why = f"it computes every {layer.operator} of the kernel set {kernels.name}"
    source = f"firmware/kernels/{kernels.name}"
    if kernels is not CMSIS_NN:
        return KernelRule(function, why, source=source)
    works, source = _SINGLE.get(layer.operator, ("", source))
    return KernelRule(function, why, works, source)


def _only_function(layer: Layer, kernels: KernelSet) -> str:
    """Of an operator that one function computes, whatever the shapes."""
    if layer.operator in _SHARED:
        return _SHARED[layer.operator]
    if kernels is REFERENCE and layer.operator in _RESCALING:
        return "reference_rescale"
    if kernels is not CMSIS_NN:
        operator = Operator.RELU if layer.operator is Operator.RELU6 else layer.operator
        return f"{kernels.name}_{operator}"
    return _VARIANTS[layer.operator]


_RESCALING: Final = frozenset({Operator.RELU, Operator.RELU6, Operator.REQUANTIZE})
"""Of int8: they differ by their bounds alone."""
_SHARED: Final[Mapping[Operator, str]] = MappingProxyType(
    {
        Operator.CONCATENATION: "own_concatenation",
        Operator.PAD: "own_pad",
        Operator.QUANTIZE: "own_quantize",
        Operator.DEQUANTIZE: "own_dequantize",
        Operator.RESHAPE: "none",
    }
)
"""Of the operators that all kernel sets compute by the same function."""
_VARIANTS: Final[Mapping[Operator, str]] = MappingProxyType(
    {
        Operator.DENSE: "arm_fully_connected_s8",
        Operator.MAX_POOL2D: "arm_max_pool_s8",
        Operator.AVERAGE_POOL2D: "arm_avgpool_s8",
        Operator.GLOBAL_AVERAGE_POOL2D: "own_global_average_pool",
        Operator.SOFTMAX: "own_softmax",
        Operator.RELU: "own_rescale",
        Operator.RELU6: "own_rescale",
        Operator.ADD: "own_add",
        Operator.SUB: "own_sub",
        Operator.MUL: "own_mul",
        Operator.GLOBAL_MAX_POOL2D: "own_global_max_pool",
        Operator.LOGISTIC: "own_logistic",
        Operator.TANH: "own_tanh",
        Operator.HARD_SWISH: "own_hard_swish",
        Operator.LEAKY_RELU: "own_leaky_relu",
        Operator.REQUANTIZE: "own_rescale",
    }
)
_SINGLE: Final[Mapping[Operator, tuple[str, str]]] = MappingProxyType(
    {
        Operator.DENSE: (
            "takes 2 outputs a pass, 4 inputs at once and the rest one by one",
            "arm_fully_connected_s8.c",
        ),
        Operator.MAX_POOL2D: ("", "arm_max_pool_s8.c"),
        Operator.AVERAGE_POOL2D: ("", "arm_avgpool_s8.c"),
        Operator.GLOBAL_AVERAGE_POOL2D: (
            "takes 4 channels a pass",
            "firmware/kernels/cmsis_nn/global_pool.c",
        ),
        Operator.GLOBAL_MAX_POOL2D: (
            "takes 4 channels a pass",
            "firmware/kernels/cmsis_nn/global_pool.c",
        ),
    }
)
"""How functions of ``cmsis_nn`` work that are alone with their operator, and where they stand."""
