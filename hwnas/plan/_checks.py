"""What must hold before a plan is written; the firmware checks the plan itself again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from hwnas.errors import PlanError
from hwnas.kernels import LARGEST_SIDE, LARGEST_WINDOW
from hwnas.network import CONVOLUTIONS, DType, Layer, Network, Operator, Shape
from hwnas.plan._constants import SHIFTS
from hwnas.plan._floats import float_of
from hwnas.plan._format import ParameterKind, parameter_counts
from hwnas.plan._parameters import (
    INT8_MAX,
    INT8_MIN,
    LayerParameters,
    NetworkParameters,
)

_CONSTANT_COUNTS: Final[Mapping[Operator, int]] = MappingProxyType(
    {
        Operator.DENSE: 2,
        Operator.GLOBAL_AVERAGE_POOL2D: 2,
        Operator.SOFTMAX: 3,
        Operator.RELU: 2,
        Operator.RELU6: 2,
        Operator.ADD: 7,
        Operator.SUB: 7,
        Operator.MUL: 2,
        Operator.LOGISTIC: 3,
        Operator.TANH: 3,
        Operator.HARD_SWISH: 4,
        Operator.LEAKY_RELU: 4,
        Operator.QUANTIZE: 1,
        Operator.DEQUANTIZE: 1,
        Operator.REQUANTIZE: 2,
    }
)
_FLOAT_CONSTANT_COUNTS: Final[Mapping[Operator, int]] = MappingProxyType({Operator.LEAKY_RELU: 1})
_MAX_U32: Final = (1 << 32) - 1
_MULTIPLIERS: Final = range(1 << 31)
_INT32: Final = range(-(1 << 31), 1 << 31)


def check_layer(layer: Layer) -> None:
    """Refuse a layer that is too large for its kernel.

    Raises:
        PlanError: The layer is larger than its kernel can count.
    """
    reach = [(k - 1) * d + 1 for k, d in zip(layer.kernel_size, layer.dilation, strict=True)]
    if max(reach) > LARGEST_SIDE:
        raise PlanError(
            f"{layer.describe()}: kernel {layer.kernel_size} with dilation {layer.dilation} is "
            f"larger than {LARGEST_SIDE}"
        )
    products = math.prod(layer.kernel_size)
    if layer.operator is Operator.CONV2D:
        products *= layer.input_shape[-1] // layer.groups
    if layer.operator in CONVOLUTIONS and products > LARGEST_WINDOW:
        raise PlanError(
            f"{layer.describe()}: an output is the sum of {products} products, its kernel counts "
            f"up to {LARGEST_WINDOW}: use a smaller window or fewer input channels"
        )


def check_shape(shape: Shape) -> None:
    """Refuse a feature map that is too long for the kernels.

    Raises:
        PlanError: Height or width exceed what the kernels count.
    """
    if any(side > LARGEST_SIDE for side in shape[:-1]):
        raise PlanError(
            f"a feature map of {shape} is in the network: the kernels take heights and widths up "
            f"to {LARGEST_SIDE}"
        )


def check_arena(arena_bytes: int) -> None:
    """Refuse an arena that no board has and no plan can describe.

    Raises:
        PlanError: Its size does not fit 32 bits.
    """
    if arena_bytes > _MAX_U32:
        raise PlanError(
            f"the activations take {arena_bytes} bytes, which no plan can describe: make the "
            "network smaller"
        )


def check_network_parameters(network: Network, parameters: NetworkParameters) -> None:
    """Refuse parameters that do not fit a network.

    Raises:
        PlanError: A count or a value is wrong; the message names the layer and what is wrong.
    """
    nodes = len(network.nodes)
    if len(parameters.layers) != nodes or len(parameters.zero_points) != nodes + 1:
        raise PlanError(
            f"a network of {nodes} nodes needs parameters of {nodes} layers and {nodes + 1} zero "
            f"points, not {len(parameters.layers)} and {len(parameters.zero_points)}"
        )
    for value, point in enumerate(parameters.zero_points):
        if not INT8_MIN <= point <= INT8_MAX:
            raise PlanError(f"zero point {point} of value {value} is outside -128 to 127")
    for i, (node, given) in enumerate(zip(network.nodes, parameters.layers, strict=True)):
        label = f"layer {i} ({node.name or node.layer.operator})"
        _check_layer_parameters(label, node.layer, given)


def _check_layer_parameters(label: str, layer: Layer, given: LayerParameters) -> None:
    wanted = parameter_counts(layer)
    size = ParameterKind.WEIGHTS.element_bytes(layer.dtype)
    found: dict[ParameterKind, Sequence[int]] = {
        ParameterKind.WEIGHTS: given.weights[::size],
        ParameterKind.BIAS: given.bias,
        ParameterKind.MULTIPLIERS: given.multipliers,
        ParameterKind.SHIFTS: given.shifts,
        ParameterKind.OPERAND: given.operand[::size],
    }
    for kind, values in found.items():
        if len(values) != wanted.get(kind, 0):
            raise PlanError(f"{label}: {len(values)} {kind}, {wanted.get(kind, 0)} wanted")
    counts = _CONSTANT_COUNTS if layer.dtype is DType.INT8 else _FLOAT_CONSTANT_COUNTS
    constants = 0 if layer.is_free else counts.get(layer.operator, 0)
    if len(given.constants) != constants:
        raise PlanError(f"{label}: {len(given.constants)} constants, {constants} wanted")
    if not INT8_MIN <= given.operand_zero_point <= INT8_MAX:
        raise PlanError(
            f"{label}: zero point {given.operand_zero_point} of the operand is outside -128 to 127"
        )
    for name, values, allowed in (
        ("bias", given.bias, _INT32),
        ("multiplier", given.multipliers, _MULTIPLIERS),
        ("shift", given.shifts, SHIFTS),
        ("constant", given.constants, _INT32),
    ):
        for value in values:
            if value not in allowed:
                raise PlanError(f"{label}: {name} {value} is outside {allowed[0]} to {allowed[-1]}")
    _check_bounds(label, layer, given.activation_min, given.activation_max)


def _check_bounds(label: str, layer: Layer, low: int, high: int) -> None:
    if layer.dtype is DType.FLOAT32 and not layer.is_free:
        if not float_of(low) <= float_of(high):
            raise PlanError(
                f"{label}: activation bounds {float_of(low)} to {float_of(high)} must be in order"
            )
    elif not INT8_MIN <= low <= high <= INT8_MAX:
        raise PlanError(
            f"{label}: activation bounds {low} to {high} must be in order, within -128 to 127"
        )
