"""Snaps channel counts to what the kernels like, so that samplers do not search among misfits."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from hwnas._channel_ties import ChannelTies, JoinedChannels
from hwnas.kernels import CMSIS_NN, SnappingRule
from hwnas.network import MAX_DIMENSION, Layer, Network, Shape


def snap(
    network: Network, *, multiple: int | None = None, rule: SnappingRule = CMSIS_NN.snapping
) -> Network:
    """Round the channels that convolutions and dense layers read to a multiple.

    What is read counts, so the *output* channels of the layer that makes it change: directly, or
    through pooling, activations, depthwise convolutions, additions and reshapes. Channels that an
    addition or a depthwise convolution ties together change together. Where concatenated channels
    are read, each part becomes a multiple, so that their sum is one. Never changed are the
    network's input, its output, what a grouped convolution reads and makes, what is tied to any of
    them, and a concatenation of which one part must stay and is no multiple. A channel count goes
    to the nearest multiple, at least one, ties upwards. Snapping twice changes nothing more.

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
    channels = [network.shape_of(value)[-1] for value in range(len(network.nodes) + 1)]
    snapped = _Solver(network, channels, _read_values(network, rule), wanted).solve()
    return network if snapped == channels else _rebuild(network, snapped)


@dataclass(frozen=True, slots=True)
class LayerChange:
    """A layer that snapping changes.

    Attributes:
        name: The node's name, or its operator.
        before: As it was.
        after: As it is in the snapped network.
    """

    name: str
    before: Layer
    after: Layer

    def to_dict(self) -> dict[str, str]:
        """Plain data for JSON: both layers as people read them."""
        return {
            "name": self.name,
            "before": self.before.describe(),
            "after": self.after.describe(),
        }


def layer_changes(before: Network, after: Network) -> tuple[LayerChange, ...]:
    """The layers that differ between a network and its snapped form, in execution order.

    A layer is among them where it makes other channels, and where it only reads others.

    Args:
        before: A network.
        after: The same with other channel counts.

    Example:
        >>> from hwnas.network import NetworkBuilder
        >>> b = NetworkBuilder((8, 8, 3))
        >>> x = b.conv2d(b.input, filters=7, kernel_size=3, name="stem")
        >>> _ = b.conv2d(x, filters=10, kernel_size=1, name="head")
        >>> [change.name for change in layer_changes(b.build(), snap(b.build()))]
        ['stem', 'head']
    """
    return tuple(
        LayerChange(old.name or str(old.layer.operator), old.layer, new.layer)
        for old, new in zip(before.nodes, after.nodes, strict=True)
        if old.layer != new.layer
    )


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


def _read_values(network: Network, rule: SnappingRule) -> set[int]:
    """Values whose channels a gaining layer reads, as they are before and after a reshape."""
    read: set[int] = set()
    for i in reversed(range(len(network.nodes))):
        node = network.nodes[i]
        if node.layer.operator in rule.readers or (node.layer.is_free and i + 1 in read):
            read.add(node.inputs[0])
    return read


class _MustStayError(Exception):
    """A concatenation's parts cannot change without contradiction."""

    def __init__(self, join: JoinedChannels) -> None:
        super().__init__(join)
        self.join = join


class _Solver:
    """Finds channel counts; holds more values until there is no contradiction.

    Args:
        network: The network.
        channels: Of each value.
        read: Values whose channels a gaining layer reads.
        multiple: What it likes.
    """

    def __init__(
        self, network: Network, channels: list[int], read: set[int], multiple: int
    ) -> None:
        self._channels, self._read, self._multiple = channels, set(read), multiple
        self._ties = ChannelTies(network)
        self._groups = self._ties.groups()
        self._held = {self._ties.group_of(value) for value in self._ties.held}
        self._joined: dict[int, list[JoinedChannels]] = {}
        for join in self._ties.joins:
            self._joined.setdefault(self._ties.group_of(join.whole), []).append(join)
        self._read_parts()

    def solve(self) -> list[int]:
        """New channel counts, one a value."""
        while True:
            self._bases: dict[int, int] = {}
            self._open: set[int] = set()
            try:
                self._check_joins()
                for group in self._groups:
                    self._base(group)
            except _MustStayError as found:
                self._hold(found.join)
                continue
            return [self._count(value) for value in range(len(self._channels))]

    def _read_parts(self) -> None:
        """Who reads a concatenation reads its parts, which may be concatenations themselves."""
        before = -1
        while len(self._read) > before:
            before = len(self._read)
            for join in self._ties.joins:
                if self._is_read(join):
                    self._read |= set(join.parts)

    def _is_read(self, join: JoinedChannels) -> bool:
        members = self._groups[self._ties.group_of(join.whole)]
        return not self._read.isdisjoint(members)

    def _hold(self, join: JoinedChannels) -> None:
        self._held |= {self._ties.group_of(value) for value in (*join.parts, join.whole)}

    def _is_held(self, value: int) -> bool:
        return self._ties.group_of(value) in self._held

    def _check_joins(self) -> None:
        """Hold concatenations that are held in part, or that say twice what a group has."""
        for group, joins in self._joined.items():
            for join in joins:
                if all(map(self._is_held, (*join.parts, join.whole))):
                    continue
                odd = (
                    self._is_held(part) and self._channels[part] % self._multiple
                    for part in join.parts
                )
                if group in self._held or len(joins) > 1 or (self._is_read(join) and any(odd)):
                    raise _MustStayError(join)

    def _count(self, value: int) -> int:
        group = self._ties.group_of(value)
        return self._channels[value] // self._old_base(group) * self._base(group)

    def _old_base(self, group: int) -> int:
        return math.gcd(*(self._channels[value] for value in self._groups[group]))

    def _base(self, group: int) -> int:
        """The new greatest common divisor of a group's channels."""
        if group not in self._bases:
            self._bases[group] = self._new_base(group)
        return self._bases[group]

    def _new_base(self, group: int) -> int:
        base = self._old_base(group)
        if group in self._held:
            return base
        ratios = {value: self._channels[value] // base for value in self._groups[group]}
        most = MAX_DIMENSION // max(ratios.values())
        if group in self._joined:
            return self._joined_base(group, ratios, most)
        unit = math.lcm(
            *(
                self._multiple // math.gcd(self._multiple, ratio)
                for value, ratio in ratios.items()
                if value in self._read
            )
        )
        return snap_channels(base, unit, most=most)

    def _joined_base(self, group: int, ratios: dict[int, int], most: int) -> int:
        """What the parts of the group's concatenation add up to decides."""
        (join,) = self._joined[group]
        if group in self._open:
            raise _MustStayError(join)  # It is a part of itself.
        self._open.add(group)
        total = sum(self._count(part) for part in join.parts)
        self._open.discard(group)
        base, rest = divmod(total, ratios[join.whole])
        if rest or base > most:
            raise _MustStayError(join)
        return base


def with_shapes(layer: Layer, inputs: tuple[Shape, ...], output: Shape) -> Layer:
    """The same operator between other shapes; a constant operand follows, a single value stays.

    Raises:
        NetworkError: The shapes contradict each other, or are out of range.
    """
    if (inputs, output) == (layer.input_shapes, layer.output_shape):
        return layer
    operand = layer.operand
    if operand not in ((), (1,)):
        operand = (*operand[:-1], output[-1])
    return replace(layer, input_shapes=inputs, output_shape=output, operand=operand)


def _rebuild(network: Network, channels: list[int]) -> Network:
    shapes = [(*network.shape_of(value)[:-1], count) for value, count in enumerate(channels)]
    nodes = tuple(
        replace(
            node,
            layer=with_shapes(
                node.layer, tuple(shapes[value] for value in node.inputs), shapes[i + 1]
            ),
        )
        for i, node in enumerate(network.nodes)
    )
    return replace(network, nodes=nodes)
