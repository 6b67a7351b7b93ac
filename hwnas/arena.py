"""Where activations and scratch memory lie in RAM while a network runs.

Two decisions make the arena small: which operators write over an input that nobody needs any
more, and where the buffers that remain lie. Both are tried in several ways, always the same ones in
the same order; the search ends as soon as the arena is as small as the fullest step allows.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from hwnas.kernels import IN_PLACE, KernelSet, default_kernels, scratch_bytes
from hwnas.network import DType, Layer, Network, Node, Shape

ARENA_ALIGNMENT: Final = 16
"""Every buffer of the arena starts at a multiple of this, in bytes (docs/plan-format.md)."""
_ELEMENT_BYTES: Final = {DType.INT8: 1, DType.FLOAT32: 4}
_REPAIRS: Final = 12
"""How often the buffer on top of the arena is placed earlier, to see whether that helps."""


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


class Reuse(Enum):
    """Which input an operator writes over, where several could be it."""

    FIRST = "first"
    LAST = "last"
    NONE = "none"


def plan_arena(requests: Sequence[BufferRequest]) -> ArenaLayout:
    """Lay buffers out so that no two that are needed at one time overlap.

    Buffers are placed one after the other, each at the lowest offset where it fits between those
    already placed that are needed at the same time. The orders tried are: by size; by size times
    duration; by duration; by the first step; then the best of them with the buffer that ends last
    moved to the front, several times. The order of requests breaks ties, so the layout is
    deterministic.

    Example:
        >>> plan_arena([BufferRequest(100, 0, 1), BufferRequest(40, 1, 2),
        ...             BufferRequest(90, 2, 2)])
        ArenaLayout(offsets=(0, 112, 0), arena_bytes=160)
    """
    least = fullest_step_bytes(requests)
    best: ArenaLayout | None = None
    for layout in _layouts(requests):
        if best is None or layout.arena_bytes < best.arena_bytes:
            best = layout
        if best.arena_bytes <= least:
            break
    assert best is not None
    return best


def fullest_step_bytes(requests: Sequence[BufferRequest]) -> int:
    """What the step with the most memory in use takes: no layout is smaller."""
    changes: dict[int, int] = {}
    for request in requests:
        size = align_up(request.size, ARENA_ALIGNMENT)
        changes[request.first] = changes.get(request.first, 0) + size
        changes[request.last + 1] = changes.get(request.last + 1, 0) - size
    most = live = 0
    for step in sorted(changes):
        live += changes[step]
        most = max(most, live)
    return most


def _layouts(requests: Sequence[BufferRequest]) -> Iterator[ArenaLayout]:
    best_order: list[int] = []
    best: ArenaLayout | None = None
    for key in _ORDERS:
        order = sorted(range(len(requests)), key=lambda i: key(requests[i]))
        layout = _place(requests, order)
        if best is None or layout.arena_bytes < best.arena_bytes:
            best, best_order = layout, order
        yield layout
    assert best is not None
    layout = best
    for _ in range(_REPAIRS):
        top = _last_to_end(requests, layout)
        if best_order[:1] == [top]:
            break
        best_order = [top, *(i for i in best_order if i != top)]
        layout = _place(requests, best_order)
        yield layout


def _last_to_end(requests: Sequence[BufferRequest], layout: ArenaLayout) -> int:
    ends = [offset + r.size for r, offset in zip(requests, layout.offsets, strict=True)]
    return max(range(len(requests)), key=lambda i: ends[i], default=0)


_ORDERS: Final[Sequence[Callable[[BufferRequest], tuple[int, ...]]]] = (
    lambda r: (-r.size,),
    lambda r: (-r.size * (r.last - r.first + 1),),
    lambda r: (r.first - r.last, -r.size),
    lambda r: (r.first, -r.size),
)


def _place(requests: Sequence[BufferRequest], order: Sequence[int]) -> ArenaLayout:
    offsets = [0] * len(requests)
    placed: list[tuple[int, int, int, int]] = []
    arena_bytes = 0
    for index in order:
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


def network_requests(
    network: Network, kernels: KernelSet | None = None, reuse: Reuse = Reuse.FIRST
) -> tuple[list[BufferRequest], list[int]]:
    """The buffers that a network needs, steps counted as nodes.

    A value lives from the node that makes it to the last node that reads it, the input from the
    first node on. The output is made last, so nothing follows it. Values joined by reshapes are
    one buffer, and so are an element-wise operator's output and an input of its size that no later
    node reads.

    Args:
        network: The network.
        kernels: What runs it; by default the fastest for its type.
        reuse: Which input such an operator writes over.

    Returns:
        The requests, those for scratch memory (one a node, of size 0 where it needs none) at the
        end, and for each value the number of its request.
    """
    kernels = kernels or default_kernels(network.dtype)
    last_read = _last_reads(network)
    sizes = [
        tensor_bytes(network.shape_of(value), network.dtype_of(value))
        for value in range(len(network.nodes) + 1)
    ]
    buffer_of = [0]
    requests = [BufferRequest(sizes[0], 0, last_read[0])]
    for step, node in enumerate(network.nodes):
        made = step + 1
        source = node.inputs[0] if node.layer.is_free else None
        if source is None and node.layer.operator in IN_PLACE:
            source = _overwritten(node, step, sizes, last_read, reuse)
        if source is None:
            buffer_of.append(len(requests))
            requests.append(BufferRequest(sizes[made], step, last_read[made]))
            continue
        buffer = buffer_of[source]
        size, first, last = requests[buffer]
        buffer_of.append(buffer)
        requests[buffer] = BufferRequest(size, first, max(last, last_read[made]))
    requests.extend(
        BufferRequest(scratch_bytes(node.layer, kernels), step, step)
        for step, node in enumerate(network.nodes)
    )
    return requests, buffer_of


def _last_reads(network: Network) -> list[int]:
    """For each value the last step that needs it, those that are views of it included."""
    last = [0, *range(len(network.nodes))]
    for step in reversed(range(len(network.nodes))):
        node = network.nodes[step]
        needed = last[step + 1] if node.layer.is_free else step
        for value in node.inputs:
            last[value] = max(last[value], needed)
    for step, node in enumerate(network.nodes):
        if node.layer.is_free:
            last[step + 1] = last[node.inputs[0]]
    return last


def _overwritten(
    node: Node, step: int, sizes: list[int], last_read: list[int], reuse: Reuse
) -> int | None:
    """The input in whose place a node's output may be written, if there is one."""
    if reuse is Reuse.NONE:
        return None
    inputs = node.inputs if reuse is Reuse.FIRST else node.inputs[::-1]
    for value in inputs:
        if sizes[value] == sizes[step + 1] and last_read[value] == step:
            return value
    return None


def plan_network_arena(network: Network, kernels: KernelSet | None = None) -> NetworkArena:
    """Lay out the activations and the scratch memory of a whole network.

    Args:
        network: The network.
        kernels: What runs it; by default the fastest for its type.

    Example:
        >>> from hwnas.network import NetworkBuilder
        >>> b = NetworkBuilder((8, 8, 4))
        >>> _ = b.conv2d(b.input, filters=4, kernel_size=3)
        >>> plan_network_arena(b.build()).arena_bytes
        656
    """
    layout, buffer_of = _best_layout(network, kernels)
    return NetworkArena(
        tuple(layout.offsets[buffer] for buffer in buffer_of),
        layout.offsets[len(layout.offsets) - len(network.nodes) :],
        layout.arena_bytes,
    )


def _best_layout(network: Network, kernels: KernelSet | None) -> tuple[ArenaLayout, list[int]]:
    """Over the ways to reuse inputs; the first is taken where it cannot be beaten."""
    first, buffer_of = network_requests(network, kernels)
    best = plan_arena(first), buffer_of
    if best[0].arena_bytes <= fullest_step_bytes(first):
        return best
    for reuse in (Reuse.LAST, Reuse.NONE):
        requests, buffer_of = network_requests(network, kernels, reuse)
        if requests == first:
            continue
        layout = plan_arena(requests)
        if layout.arena_bytes < best[0].arena_bytes:
            best = layout, buffer_of
    return best


def plan_layer_arena(layer: Layer, kernels: KernelSet | None = None) -> NetworkArena:
    """Lay out one layer that runs alone: its inputs, its output, its scratch memory."""
    scratch = scratch_bytes(layer, kernels or default_kernels(layer.dtype))
    sizes = [tensor_bytes(shape, layer.input_dtype) for shape in layer.input_shapes]
    sizes.append(tensor_bytes(layer.output_shape, layer.output_dtype))
    requests = [BufferRequest(size, 0, 0) for size in sizes]
    layout = plan_arena([*requests, BufferRequest(scratch, 0, 0)])
    return NetworkArena(layout.offsets[:-1], layout.offsets[-1:], layout.arena_bytes)
