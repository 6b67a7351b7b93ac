"""A network: layers in execution order, and where their inputs come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from reprlib import repr as _short
from typing import Any, Final

from hwnas.errors import NetworkError
from hwnas.network._checks import check_network
from hwnas.network._geometry import is_int
from hwnas.network._layer import Layer
from hwnas.network._operators import CONVERSIONS, DType, Shape
from hwnas.network._plain import field_value, refuse_unknown, whole_numbers

NETWORK_JSON_VERSION: Final = 1
_NETWORK_FIELDS: Final = frozenset({"version", "dtype", "input_shape", "nodes"})
_NODE_FIELDS: Final = frozenset({"layer", "inputs", "name"})


@dataclass(frozen=True, slots=True)
class Node:
    """A layer in its place: where its inputs come from.

    Attributes:
        layer: What is computed.
        inputs: One index an input: 0 is the network's input, i + 1 the output of node i.
        name: For people; takes no part in equality, hash or JSON digest.
    """

    layer: Layer
    inputs: tuple[int, ...]
    name: str = field(default="", compare=False)


@dataclass(frozen=True)
class Network:
    """An immutable graph of layers in execution order; the last node is the output.

    Attributes:
        input_shape: Shape of the one input, without the batch.
        nodes: In execution order.
        dtype: Type of all activations and weights.

    Raises:
        NetworkError: An index points forward, a shape does not match, a result is never used,
            or there is no node at all.

    Example:
        >>> from hwnas.network import NetworkBuilder
        >>> b = NetworkBuilder((28, 28, 1))
        >>> x = b.conv2d(b.input, filters=8, kernel_size=3, activation="relu")
        >>> x = b.dense(b.flatten(x), units=10)
        >>> network = b.build()
        >>> network.output_shape
        (10,)
    """

    input_shape: Shape
    nodes: tuple[Node, ...]
    dtype: DType = DType.INT8

    def __post_init__(self) -> None:
        check_network(self)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers in execution order."""
        return tuple(node.layer for node in self.nodes)

    @property
    def output_shape(self) -> Shape:
        """Shape of the last node's output."""
        return self.nodes[-1].layer.output_shape

    def shape_of(self, value: int) -> Shape:
        """Shape of a value: 0 is the network's input, i + 1 the output of node i."""
        return self.input_shape if value == 0 else self.nodes[value - 1].layer.output_shape

    def dtype_of(self, value: int) -> DType:
        """Type of a value: floats before a quantize and after a dequantize, else :attr:`dtype`."""
        if value:
            return self.nodes[value - 1].layer.output_dtype
        return next(node.layer.input_dtype for node in self.nodes if 0 in node.inputs)

    def as_dtype(self, dtype: DType) -> Network:
        """The same network with activations and weights of another type.

        What converts between types falls away: a float32 network reads and makes floats anyway.

        Raises:
            NetworkError: Nothing would be left.

        Example:
            >>> from hwnas.network import NetworkBuilder
            >>> b = NetworkBuilder((8,))
            >>> _ = b.dense(b.quantize(b.input), units=4)
            >>> [str(layer.operator) for layer in b.build().as_dtype(DType.FLOAT32).layers]
            ['dense']
        """
        if dtype is self.dtype:
            return self
        values, nodes = [0], list[Node]()
        for node in self.nodes:
            inputs = tuple(values[value] for value in node.inputs)
            if node.layer.operator in CONVERSIONS:
                values.append(inputs[0])
                continue
            nodes.append(Node(replace(node.layer, dtype=dtype), inputs, node.name))
            values.append(len(nodes))
        return Network(self.input_shape, tuple(nodes), dtype)

    def to_dict(self) -> dict[str, Any]:
        """Plain data with the nodes' names, for :meth:`from_dict`."""
        return self._plain(names=True)

    def to_json(self) -> str:
        """JSON text, with the nodes' names."""
        return json.dumps(self.to_dict(), separators=(",", ":"))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Network:
        """The inverse of :meth:`to_dict`, for untrusted data.

        Raises:
            NetworkError: The data is not a network of this version.
        """
        return _network_from_dict(data)

    @classmethod
    def from_json(cls, text: str) -> Network:
        """The inverse of :meth:`to_json`, for untrusted text.

        Raises:
            NetworkError: The text is not JSON, or not a network of this version.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise NetworkError(f"not a network: the text is no JSON ({error})") from error
        return cls.from_dict(data)

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of the network without its names; stable across versions."""
        text = json.dumps(self._plain(names=False), separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def _plain(self, *, names: bool) -> dict[str, Any]:
        nodes: list[dict[str, Any]] = []
        for node in self.nodes:
            plain = {"layer": node.layer.to_dict(), "inputs": list(node.inputs)}
            if names and node.name:
                plain["name"] = node.name
            nodes.append(plain)
        return {
            "version": NETWORK_JSON_VERSION,
            "dtype": str(self.dtype),
            "input_shape": list(self.input_shape),
            "nodes": nodes,
        }


def _network_from_dict(data: Any) -> Network:
    if not isinstance(data, Mapping):
        raise NetworkError(f"a network must be an object, not {type(data).__name__}")
    version = data.get("version")
    if not is_int(version) or version != NETWORK_JSON_VERSION:
        raise NetworkError(
            f"network version {_short(version)}: this hwnas reads version {NETWORK_JSON_VERSION}"
        )
    refuse_unknown("network", data, _NETWORK_FIELDS)
    nodes = data.get("nodes")
    if not isinstance(nodes, list):
        raise NetworkError("a network's nodes must be a list")
    return Network(
        whole_numbers("input_shape", data.get("input_shape")),
        tuple(_nodes_from(nodes)),
        field_value("dtype", data.get("dtype")),
    )


def _nodes_from(nodes: list[Any]) -> Iterator[Node]:
    for node in nodes:
        if not isinstance(node, Mapping) or not isinstance(node.get("name", ""), str):
            raise NetworkError("a node must be an object whose name is a text")
        refuse_unknown("node", node, _NODE_FIELDS)
        layer: Any = node.get("layer")
        yield Node(
            Layer.from_dict(layer),
            whole_numbers("inputs", node.get("inputs")),
            node.get("name", ""),
        )
