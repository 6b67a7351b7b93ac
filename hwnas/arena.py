"""Where activations and scratch memory lie in RAM while a network runs."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from hwnas.kernels import scratch_bytes
from hwnas.network import DType, Layer, Network, Shape

ARENA_ALIGNMENT: Final = 16
"""Every buffer of the arena starts at a multiple of this, in bytes (docs/plan-format.md)."""
_ELEMENT_BYTES: Final = {DType.INT8: 1, DType.FLOAT32: 4}


class BufferRequest(NamedTuple):
    """A buffer and the steps during which it must not be overwritten.

    Attributes:
        size: In bytes, 0 or more.
        first: First step that needs it.
        last: Last step that needs it.
    """

    size: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class ArenaLayout:
    """Where the buffers lie.

    Attributes:
        offsets: One a request, in bytes from the arena's start.
        arena_bytes: Size of the arena, a multiple of :data:`ARENA_ALIGNMENT`.
    """

    offsets: tuple[int, ...]
    arena_bytes: int


@dataclass(frozen=True, slots=True)
class NetworkArena:
    """The arena of a network.

    Attributes:
        value_offsets: Where each value lies (0 is the network's input, i + 1 the output of node
            i), in bytes; a reshape's output lies where its input does.
        scratch_offsets: Where each node's scratch memory lies, in bytes; 0 where it needs none.
        arena_bytes: Size of the arena.
    """

    value_offsets: tuple[int, ...]
    scratch_offsets: tuple[int, ...]
    arena_bytes: int


def align_up(size: int, alignment: int) -> int:
    """The smallest multiple of ``alignment`` that is not below ``size``."""
    return -(-size // alignment) * alignment


def tensor_bytes(shape: Shape, dtype: DType) -> int:
    """Bytes of an activation."""
    return math.prod(shape) * _ELEMENT_BYTES[dtype]


def plan_arena(requests: Sequence[BufferRequest]) -> ArenaLayout:
    """Lay buffers out so that no two that are needed at one time overlap.

    Greedy by size: the largest buffer first, each at the lowest offset where it fits between
    those already placed that are needed at the same time. The order of requests breaks ties, so
    the layout is deterministic.

    Example:
        >>> plan_arena([BufferRequest(100, 0, 1), BufferRequest(40, 1, 2),
        ...             BufferRequest(90, 2, 2)])
        ArenaLayout(offsets=(0, 112, 0), arena_bytes=160)
    """
    offsets = [0] * len(requests)
    placed: list[tuple[int, int, int, int]] = []
    arena_bytes = 0
    for index in sorted(range(len(requests)), key=lambda i: -requests[i].size):
        request = requests[index]
        size = align_up(request.size, ARENA_ALIGNMENT)
        if size == 0:
            continue
        offset = 0
        for start, end, first, last in placed:
            if first > request.last or last < request.first:
                continue
            if start - offset >= size:
                break
            offset = max(offset, end)
        insort(placed, (offset, offset + size, request.first, request.last))
        offsets[index] = offset
        arena_bytes = max(arena_bytes, offset + size)
    return ArenaLayout(tuple(offsets), arena_bytes)


def network_requests(network: Network) -> tuple[list[BufferRequest], list[int]]:
    """The buffers that a network needs, steps counted as nodes.

    A value lives from the node that makes it to the last node that reads it, the input from the
    first node on. The output is made last, so nothing follows it. Values joined by reshapes are
    one buffer.

    Returns:
        The requests, those for scratch memory (one a node, of size 0 where it needs none) at the
        end, and for each value the number of its request.
    """
    buffer_of = [0]
    requests = [BufferRequest(tensor_bytes(network.input_shape, network.dtype), 0, 0)]
    for step, node in enumerate(network.nodes):
        for value in node.inputs:
            size, first, _ = requests[buffer_of[value]]
            requests[buffer_of[value]] = BufferRequest(size, first, step)
        if node.layer.is_free:
            buffer_of.append(buffer_of[node.inputs[0]])
        else:
            buffer_of.append(len(requests))
            size = tensor_bytes(node.layer.output_shape, network.dtype)
            requests.append(BufferRequest(size, step, step))
    requests.extend(
        BufferRequest(scratch_bytes(node.layer), step, step)
        for step, node in enumerate(network.nodes)
    )
    return requests, buffer_of


def plan_network_arena(network: Network) -> NetworkArena:
    """Lay out the activations and the scratch memory of a whole network.

    Example:
        >>> from hwnas.network import NetworkBuilder
        >>> b = NetworkBuilder((8, 8, 4))
        >>> _ = b.conv2d(b.input, filters=4, kernel_size=3)
        >>> plan_network_arena(b.build()).arena_bytes
        656
    """
    requests, buffer_of = network_requests(network)
    layout = plan_arena(requests)
    return NetworkArena(
        tuple(layout.offsets[buffer] for buffer in buffer_of),
        layout.offsets[len(requests) - len(network.nodes) :],
        layout.arena_bytes,
    )


def plan_layer_arena(layer: Layer) -> NetworkArena:
    """Lay out one layer that runs alone: its inputs, its output, its scratch memory."""
    requests = [
        BufferRequest(tensor_bytes(shape, layer.dtype), 0, 0)
        for shape in (*layer.input_shapes, layer.output_shape)
    ]
    layout = plan_arena([*requests, BufferRequest(scratch_bytes(layer), 0, 0)])
    return NetworkArena(layout.offsets[:-1], layout.offsets[-1:], layout.arena_bytes)
