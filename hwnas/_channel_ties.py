"""Which values' channel counts depend on each other, and how."""

from __future__ import annotations

from dataclasses import dataclass

from hwnas.network import BINARY, Network, Node, Operator


@dataclass(frozen=True, slots=True)
class JoinedChannels:
    """A value whose channels are those of others, one after the other.

    Attributes:
        parts: The values that are joined; one may stand there twice.
        whole: The value that they make.
    """

    parts: tuple[int, ...]
    whole: int


class ChannelTies:
    """Values in groups that keep the ratio of their channels, and what is beyond ratios.

    Args:
        network: The network.

    Attributes:
        held: Values whose channels must stay: the network's ends, what a grouped convolution
            reads and makes, and single values that are spread over channels.
        joins: Concatenations of channels.
    """

    def __init__(self, network: Network) -> None:
        self.held: set[int] = {0, len(network.nodes)}
        self.joins: list[JoinedChannels] = []
        self._parent = list(range(len(network.nodes) + 1))
        for i, node in enumerate(network.nodes):
            self._tie(network, node, i + 1)

    def groups(self) -> dict[int, list[int]]:
        """The groups by their representative, members in ascending order."""
        found: dict[int, list[int]] = {}
        for value in range(len(self._parent)):
            found.setdefault(self.group_of(value), []).append(value)
        return found

    def group_of(self, value: int) -> int:
        """The representative of a value's group."""
        while self._parent[value] != value:
            value = self._parent[value]
        return value

    def _tie(self, network: Network, node: Node, made: int) -> None:
        layer = node.layer
        if layer.operator is Operator.CONV2D and layer.groups > 1:
            self.held |= {node.inputs[0], made}
        elif layer.operator in (Operator.CONV2D, Operator.DENSE):
            return
        elif layer.operator is Operator.CONCATENATION and layer.axis == -1:
            self.joins.append(JoinedChannels(node.inputs, made))
        else:
            for value in node.inputs:
                spread = network.shape_of(value)[-1] != layer.output_shape[-1]
                if spread and layer.operator in BINARY:
                    self.held.add(value)
                else:
                    self._join(value, made)

    def _join(self, a: int, b: int) -> None:
        low, high = sorted((self.group_of(a), self.group_of(b)))
        self._parent[high] = low
