"""What shapes alone tell of a network's cost: parameters, MACs, FLOPs, RAM and flash.

Conventions. A multiply-accumulate (MAC) is counted where a kernel multiplies an activation by a
weight: convolutions, depthwise convolutions and dense layers. Pooling, softmax, stand-alone
activations and element-wise sums and products, with constants too, count 0, as in the paper; they
take cycles nevertheless, which is what measuring is for. Padding is counted as if it were data, as
everybody does, though kernels may skip it.

The paper is Heim et al. 2021, "Measuring what Really Matters", whose Appendix A counts K*K + 1
operations where a K*K filter needs K*K. Both figures are kept: ``macs`` are the true ones,
``paper_macs`` and ``paper_flops`` are equations (1) to (8). Its (I - K + 2P) / S + 1 is the size of
the output, which is known exactly here; (5) and (8) are (4) and (7) without padding at stride 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from hwnas.arena import align_up, plan_network_arena
from hwnas.kernels import KernelSet
from hwnas.network import Layer, Network, Operator
from hwnas.plan import PARAMETER_ALIGNMENT, ParameterKind, parameter_counts, plan_bytes

_REMEMBERED_LAYERS: Final = 16_384
_COUNTED: Final = (ParameterKind.WEIGHTS, ParameterKind.BIAS, ParameterKind.OPERAND)
"""What people call parameters; multipliers and shifts are how int8 holds them."""


@dataclass(frozen=True, slots=True)
class RuntimeFootprint:
    """What the firmware takes for itself, whatever network it runs.

    Attributes:
        ram_bytes: Stack, buffers and variables.
        flash_bytes: Code and constants.
    """

    ram_bytes: int = 0
    flash_bytes: int = 0


@dataclass(frozen=True, slots=True)
class LayerCost:
    """What one layer costs by its shape.

    Attributes:
        parameters: Weights, biases and the values of constant operands.
        macs: Multiply-accumulates that really happen.
        paper_macs: The paper's equations (2), (4) and (7).
        paper_flops: The paper's equations (1), (3) and (6).
        parameter_bytes: Flash for weights, biases, constant operands and quantization parameters,
            aligned as a plan places them.
        parameter_tensors: How many tensors those are.
    """

    parameters: int
    macs: int
    paper_macs: int
    paper_flops: int
    parameter_bytes: int
    parameter_tensors: int


@dataclass(frozen=True, slots=True)
class StaticCost:
    """What a network costs by its shapes, deployed with hwnas's runtime.

    Attributes:
        parameters: Weights, biases and the values of constant operands.
        macs: Multiply-accumulates that really happen.
        paper_macs: Sum of the paper's equations (2), (4) and (7).
        paper_flops: Sum of the paper's equations (1), (3) and (6).
        arena_bytes: Activations and scratch memory of the deployed plan.
        ram_bytes: The arena and the firmware's fixed part.
        plan_bytes: Size of the execution plan.
        parameter_bytes: Weights, biases, constant operands and quantization parameters, aligned
            as the plan places them.
        flash_bytes: Parameters, plan and code.
    """

    parameters: int
    macs: int
    paper_macs: int
    paper_flops: int
    arena_bytes: int
    ram_bytes: int
    plan_bytes: int
    parameter_bytes: int
    flash_bytes: int


def static_cost(
    network: Network,
    footprint: RuntimeFootprint | None = None,
    kernels: KernelSet | None = None,
) -> StaticCost:
    """Count what a network costs, without running anything.

    Args:
        network: The network.
        footprint: What the firmware takes for itself, from its manifest; nothing by default.
        kernels: What runs it; by default the fastest for its type.

    Example:
        >>> from hwnas.network import NetworkBuilder
        >>> b = NetworkBuilder((8,))
        >>> _ = b.dense(b.input, units=4)
        >>> cost = static_cost(b.build())
        >>> cost.parameters, cost.macs, cost.paper_macs, cost.paper_flops
        (36, 32, 36, 64)
    """
    footprint = footprint or RuntimeFootprint()
    costs = [layer_cost(node.layer) for node in network.nodes]
    steps = sum(not node.layer.is_free for node in network.nodes)
    values = len(network.nodes) + 1
    size = plan_bytes(values + sum(cost.parameter_tensors for cost in costs), steps)
    parameter_bytes = sum(cost.parameter_bytes for cost in costs)
    arena_bytes = plan_network_arena(network, kernels).arena_bytes
    return StaticCost(
        parameters=sum(cost.parameters for cost in costs),
        macs=sum(cost.macs for cost in costs),
        paper_macs=sum(cost.paper_macs for cost in costs),
        paper_flops=sum(cost.paper_flops for cost in costs),
        arena_bytes=arena_bytes,
        ram_bytes=arena_bytes + footprint.ram_bytes,
        plan_bytes=size,
        parameter_bytes=parameter_bytes,
        flash_bytes=parameter_bytes + size + footprint.flash_bytes,
    )


@lru_cache(maxsize=_REMEMBERED_LAYERS)
def layer_cost(layer: Layer) -> LayerCost:
    """Count what one layer costs; remembered, since candidates share layers.

    Example:
        >>> from hwnas.network import conv2d
        >>> layer_cost(conv2d((32, 32, 1), 6, 3, padding="valid")).macs
        48600
    """
    counts = parameter_counts(layer)
    if not counts:
        return LayerCost(0, 0, 0, 0, 0, 0)
    weights = counts.get(ParameterKind.WEIGHTS, 0)
    sizes = [count * kind.element_bytes(layer.dtype) for kind, count in counts.items()]
    paper_macs, paper_flops = _paper_operations(layer) if weights else (0, 0)
    return LayerCost(
        parameters=sum(counts.get(kind, 0) for kind in _COUNTED),
        macs=weights * math.prod(layer.output_shape[:-1]),
        paper_macs=paper_macs,
        paper_flops=paper_flops,
        parameter_bytes=sum(align_up(size, PARAMETER_ALIGNMENT) for size in sizes),
        parameter_tensors=len(sizes),
    )


def _paper_operations(layer: Layer) -> tuple[int, int]:
    """MACs and FLOPs by the paper's equations, for a layer with weights."""
    channels_in, channels_out = layer.input_shape[-1], layer.output_shape[-1]
    if layer.operator is Operator.DENSE:
        return channels_out * (channels_in + 1), 2 * channels_out * channels_in  # (2), (1)
    taps = math.prod(layer.kernel_size)
    # (4) and (3) for convolutions; (7) and (6) have no factor for the output channels, whose
    # number is that of the inputs times the depth multiplier. Of a grouped convolution, each output
    # reads the channels of its group alone.
    read = channels_in // layer.groups if layer.operator is Operator.CONV2D else 1
    filters = channels_out * read
    windows = math.prod(layer.output_shape[:-1]) * filters
    return windows * (taps + 1), windows * (2 * taps + 1)
