"""Snaps channel counts to what the kernels like, so that samplers do not search among misfits."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from hwnas.kernels import CMSIS_NN, SnappingRule
from hwnas.network import MAX_DIMENSION, Network, Node, Operator, Shape


def snap(
    network: Network, *, multiple: int | None = None, rule: SnappingRule = CMSIS_NN.snapping
) -> Network:
    """Round the channels that convolutions and dense layers read to a multiple.

    What is read counts, so the *output* channels of the layer that makes it change: directly, or
    through pooling, activations, depthwise convolutions, additions and reshapes. Channels that an
    addition or a depthwise convolution ties together change together. Never changed are the
    network's input, its output, and what is tied to either. A channel count goes to the nearest
    multiple, at least one, ties upwards. Snapping twice changes nothing more.

    Args:
        network: The candidate.
        multiple: Overrides the rule's.
        rule: Which readers gain, and by which multiple.

    Returns:
        The snapped network; ``network`` itself where nothing changes.

    Raises:
        ValueError: ``multiple`` is below 1.

    Example:
        >>> from hwnas.network import NetworkBuilder
        >>> b = NetworkBuilder((8, 8, 3))
        >>> x = b.conv2d(b.input, filters=7, kernel_size=3)
        >>> _ = b.dense(b.global_average_pool2d(x), units=10)
        >>> [layer.output_shape[-1] for layer in snap(b.build()).layers]
        [8, 8, 10]
    """
    wanted = rule.multiple if multiple is None else multiple
    if wanted < 1:
        raise ValueError(f"multiple {wanted} must be 1 or more")
    ties = _Ties(network)
    channels = [network.shape_of(value)[-1] for value in range(len(network.nodes) + 1)]
    snapped = list(channels)
    read = _read_values(network, rule)
    for group in ties.groups():
        if group[0] == 0 or group[-1] == len(network.nodes):
            continue
        for value, count in _snap_group(channels, group, read, wanted):
            snapped[value] = count
    return network if snapped == channels else _rebuild(network, snapped)


def snap_channels(channels: int, multiple: int = 4, *, most: int = MAX_DIMENSION) -> int:
    """The nearest multiple, at least one of them, ties upwards, at most ``most``.

    Where ``most`` leaves no multiple at all, the channels stay as they are.

    Example:
        >>> [snap_channels(n) for n in (1, 5, 6, 8, 10)]
        [4, 4, 8, 8, 12]
    """
    if multiple > most:
        return channels
    multiples = max((channels + multiple // 2) // multiple, 1)
    return min(multiples, most // multiple) * multiple


class _Ties:
    """Values whose channel counts must keep their ratio, as disjoint sets."""

    def __init__(self, network: Network) -> None:
        self._parent = list(range(len(network.nodes) + 1))
        for i, node in enumerate(network.nodes):
            if node.layer.operator not in (Operator.CONV2D, Operator.DENSE):
                for value in node.inputs:
                    self._join(value, i + 1)

    def groups(self) -> list[list[int]]:
        """The sets, members in ascending order."""
        found: dict[int, list[int]] = {}
        for value in range(len(self._parent)):
            found.setdefault(self._root(value), []).append(value)
        return list(found.values())

    def _root(self, value: int) -> int:
        while self._parent[value] != value:
            value = self._parent[value]
        return value

    def _join(self, a: int, b: int) -> None:
        low, high = sorted((self._root(a), self._root(b)))
        self._parent[high] = low


def _read_values(network: Network, rule: SnappingRule) -> set[int]:
    """Values whose channels a gaining layer reads, as they are before and after a reshape."""
    read: set[int] = set()
    for i in reversed(range(len(network.nodes))):
        node = network.nodes[i]
        if node.layer.operator in rule.readers or (node.layer.is_free and i + 1 in read):
            read.add(node.inputs[0])
    return read


def _snap_group(
    channels: list[int], group: list[int], read: set[int], multiple: int
) -> Iterable[tuple[int, int]]:
    """New channel counts of a group, in the ratio of the old ones."""
    base = math.gcd(*(channels[value] for value in group))
    ratios = {value: channels[value] // base for value in group}
    unit = math.lcm(
        *(multiple // math.gcd(multiple, ratios[value]) for value in group if value in read)
    )
    new_base = snap_channels(base, unit, most=MAX_DIMENSION // max(ratios.values()))
    return [(value, ratio * new_base) for value, ratio in ratios.items()]


def _rebuild(network: Network, channels: list[int]) -> Network:
    shapes = [(*network.shape_of(value)[:-1], count) for value, count in enumerate(channels)]
    nodes = tuple(
        _rebuilt(node, tuple(shapes[value] for value in node.inputs), shapes[i + 1])
        for i, node in enumerate(network.nodes)
    )
    return replace(network, nodes=nodes)


def _rebuilt(node: Node, inputs: tuple[Shape, ...], output: Shape) -> Node:
    if (inputs, output) == (node.layer.input_shapes, node.layer.output_shape):
        return node
    return replace(node, layer=replace(node.layer, input_shapes=inputs, output_shape=output))
