"""Explains a network's cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from hwnas.errors import BudgetError, PlanError
from hwnas.evaluator import Evaluator
from hwnas.explain._best import best_known
from hwnas.explain._channels import neighbours, varied_channels
from hwnas.explain._kernel import KernelWatch
from hwnas.explain._records import (
    ChannelSteps,
    Explanation,
    LayerExplanation,
    SnappingEffect,
    Step,
)
from hwnas.hardware_cost import HardwareCost, LayerLatency
from hwnas.network import Activation, Layer, Network
from hwnas.snapping import layer_changes, snap

TOP: Final = 5
"""So many layers are explained where nothing else is asked for."""


def explain(
    evaluator: Evaluator,
    network: Network,
    *,
    top: int = TOP,
    progress: Callable[[str], None] | None = None,
) -> Explanation:
    """Tell why a network costs what it costs: its dearest layers, and what snapping would save.

    Each of these layers is run with other channel counts, alone, and so is a small layer that the
    kernels like, if its operator has MACs; the snapped network is run as the network is. All of it
    goes through the evaluator's table: asked again, nothing is measured again. On a virtual board
    each layer runs once more, unmeasured, to see which kernel computes it.

    Args:
        evaluator: The board and its table. Its budget does not matter.
        network: The network; in the type that the evaluator's kernels compute in, whatever its own.
        top: How many layers to explain, the dearest first.
        progress: Is told what takes long.

    Raises:
        BudgetError: The board cannot hold the network.
        PlanError: The kernels cannot run one of its layers even alone.
        BoardError: The board failed.
        TableError: The table failed.
        ValueError: ``top`` is below 1.

    Example:
        >>> with Evaluator.for_board("nucleo_l496zg") as evaluator:  # doctest: +SKIP
        ...     explain(evaluator, network).layers[0].times_best
        2.31
    """
    if top < 1:
        raise ValueError(f"top {top} must be 1 or more")
    told = progress or (lambda text: None)
    network = network.as_dtype(evaluator.backend.kernels.dtype)
    evaluator.check_fits(network)
    told(f"running {len(network.nodes)} layers on {evaluator.spec.name}")
    cost = evaluator.network_cost(network)
    ranked = _ranked(cost.layers)
    chosen = {rows[0].layer: rows for rows in ranked[:top]}
    # All neighbours first: what is the best known is then the same for all layers of an operator.
    channels = {}
    for layer in chosen:
        told(f"running {layer.describe()} with other channel counts")
        channels[layer] = _channel_steps(evaluator, layer)
    bests = {op: best_known(evaluator, op) for op in {layer.operator for layer in chosen}}
    total = max(sum(row.cycles for row in cost.layers), 1)
    provenance = evaluator.backend.target.provenance
    told("looking which kernels run")
    with KernelWatch(evaluator.backend) as watch:
        layers = tuple(
            LayerExplanation(
                layer=layer,
                names=tuple(row.name for row in rows),
                cycles=rows[0].cycles,
                clock_hz=cost.clock_hz,
                provenance=provenance,
                share=sum(row.cycles for row in rows) / total,
                best=bests[layer.operator],
                kernel=watch.kernel(layer),
                channels=channels[layer],
            )
            for layer, rows in chosen.items()
        )
    told("running the snapped network")
    return Explanation(
        cost=cost,
        provenance=provenance,
        layers=layers,
        hidden=max(len(ranked) - top, 0),
        snapping=_snapping(evaluator, network, cost),
    )


def _ranked(rows: Iterable[LayerLatency]) -> list[list[LayerLatency]]:
    """Layers that are alike together, those first that cost most together.

    A fused activation only sets the bounds of what is stored: layers that differ by it, and take
    equally long, are alike.
    """
    groups: dict[tuple[Layer, int], list[LayerLatency]] = {}
    for row in rows:
        alike = replace(row.layer, activation=Activation.NONE)
        groups.setdefault((alike, row.cycles), []).append(row)
    return sorted(groups.values(), key=lambda group: -sum(row.cycles for row in group))


def _channel_steps(evaluator: Evaluator, layer: Layer) -> tuple[ChannelSteps, ...]:
    wanted = {which: neighbours(layer, which) for which in varied_channels(layer)}
    everything = [near for layers in wanted.values() for near in layers.values()]
    # Together, so that a physical board runs several in one plan; which of them does not fit, if
    # one does not, is found out below.
    with suppress(PlanError):
        _measure(evaluator, everything)
    return tuple(
        ChannelSteps(
            which,
            varied_channels(layer)[which],
            tuple(_step(evaluator, count, near) for count, near in layers.items()),
        )
        for which, layers in wanted.items()
    )


def _step(evaluator: Evaluator, channels: int, layer: Layer) -> Step:
    clock_hz = evaluator.spec.core.clock_hz
    try:
        cycles = _measure(evaluator, [layer])[layer]
    except PlanError as error:
        return Step(channels, layer, clock_hz, None, str(error))
    return Step(channels, layer, clock_hz, cycles)


def _measure(evaluator: Evaluator, layers: Iterable[Layer]) -> dict[Layer, int]:
    """The layers' cycles by the table; what that lacks is run and stored."""
    backend = evaluator.backend
    rows = evaluator.table.get_or_measure(backend.target, layers, backend.measure_layers)
    return {layer: record.cycles_median for layer, record in rows.items()}


def _snapping(evaluator: Evaluator, network: Network, cost: HardwareCost) -> SnappingEffect:
    snapped = snap(network, rule=evaluator.backend.kernels.snapping)
    changes = layer_changes(network, snapped)
    if not changes:
        return SnappingEffect(network, (), cost, cost)
    try:
        evaluator.check_fits(snapped)
        after = evaluator.network_cost(snapped)
    except (BudgetError, PlanError) as error:
        return SnappingEffect(snapped, changes, cost, None, str(error))
    if after.basis != cost.basis:
        # One of them ran end to end, the other does not fit beside its plan: sums for both.
        cost, after = evaluator.table_cost(network), evaluator.table_cost(snapped)
    return SnappingEffect(snapped, changes, cost, after)
