"""What must hold before a plan is written; the firmware checks the plan itself again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from hwnas.errors import PlanError
from hwnas.network import Layer, Network, Operator
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
    }
)
_INT32: Final = range(-(1 << 31), 1 << 31)


def check_layer(layer: Layer) -> None:
    """Refuse a layer that the firmware has no kernel for.

    Raises:
        PlanError: The layer has a dilation.
    """
    if layer.dilation != (1, 1):
        raise PlanError(
            f"{layer.describe()}: dilation {layer.dilation} is not in plan version 1; use a "
            "larger kernel or a stride instead"
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
    found: dict[ParameterKind, Sequence[int]] = {
        ParameterKind.WEIGHTS: given.weights,
        ParameterKind.BIAS: given.bias,
        ParameterKind.MULTIPLIERS: given.multipliers,
        ParameterKind.SHIFTS: given.shifts,
    }
    for kind, values in found.items():
        if len(values) != wanted.get(kind, 0):
            raise PlanError(f"{label}: {len(values)} {kind}, {wanted.get(kind, 0)} wanted")
    constants = 0 if layer.is_free else _CONSTANT_COUNTS.get(layer.operator, 0)
    if len(given.constants) != constants:
        raise PlanError(f"{label}: {len(given.constants)} constants, {constants} wanted")
    for values in (given.bias, given.multipliers, given.shifts, given.constants):
        for value in values:
            if value not in _INT32:
                raise PlanError(f"{label}: {value} does not fit 32 bits")
    if not INT8_MIN <= given.activation_min <= given.activation_max <= INT8_MAX:
        raise PlanError(
            f"{label}: activation bounds {given.activation_min} to {given.activation_max} must be "
            "in order, within -128 to 127"
        )
