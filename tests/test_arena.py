"""The arena: nothing alive is overwritten, and nothing is larger than it must be."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import networks, resnet20

from hwnas.arena import (
    ARENA_ALIGNMENT,
    BufferRequest,
    align_up,
    network_requests,
    plan_arena,
    plan_layer_arena,
    plan_network_arena,
    tensor_bytes,
)
from hwnas.kernels import scratch_bytes
from hwnas.network import DType, Network, NetworkBuilder, conv2d


@st.composite
def requests(draw: st.DrawFn) -> BufferRequest:
    first = draw(st.integers(0, 9))
    return BufferRequest(draw(st.integers(0, 300)), first, first + draw(st.integers(0, 4)))


def live_bytes(buffers: list[BufferRequest], step: int) -> int:
    return sum(align_up(b.size, ARENA_ALIGNMENT) for b in buffers if b.first <= step <= b.last)


@given(st.lists(requests(), max_size=25))
def test_buffers_alive_together_never_overlap(buffers: list[BufferRequest]) -> None:
    layout = plan_arena(buffers)
    for (a, start), (b, other) in itertools.combinations(
        zip(buffers, layout.offsets, strict=True), 2
    ):
        if a.first <= b.last and b.first <= a.last and a.size and b.size:
            assert start + a.size <= other or other + b.size <= start


@given(st.lists(requests(), max_size=25))
def test_the_arena_holds_everything_and_is_aligned(buffers: list[BufferRequest]) -> None:
    layout = plan_arena(buffers)
    ends = [offset + b.size for b, offset in zip(buffers, layout.offsets, strict=True) if b.size]
    assert layout.arena_bytes == align_up(max(ends, default=0), ARENA_ALIGNMENT)
    assert layout.arena_bytes >= max(live_bytes(buffers, step) for step in range(14))
    assert all(offset % ARENA_ALIGNMENT == 0 for offset in layout.offsets)


@given(networks())
def test_a_networks_values_are_intact_when_they_are_read(network: Network) -> None:
    """Plays the network: each byte belongs to the value that wrote it last."""
    arena = plan_network_arena(network)
    owner = [-1] * arena.arena_bytes

    def write(value: int, tag: int) -> None:
        start = arena.value_offsets[value]
        size = tensor_bytes(network.shape_of(value), network.dtype)
        owner[start : start + size] = [tag] * size

    def read(value: int) -> set[int]:
        start = arena.value_offsets[value]
        return set(owner[start : start + tensor_bytes(network.shape_of(value), network.dtype)])

    tags = [0]
    write(0, 0)
    for i, node in enumerate(network.nodes):
        assert all(read(value) == {tags[value]} for value in node.inputs)
        if node.layer.is_free:
            tags.append(tags[node.inputs[0]])
            continue
        start, size = arena.scratch_offsets[i], scratch_bytes(node.layer)
        assert start + size <= arena.arena_bytes
        owner[start : start + size] = [-2] * size
        tags.append(i + 1)
        write(i + 1, i + 1)
        # Inputs are read until the output is complete.
        assert all(read(value) == {tags[value]} for value in node.inputs)
        assert -2 in set(owner[start : start + size]) or size == 0
    assert read(len(network.nodes)) == {tags[-1]}


def test_a_reshape_takes_no_memory() -> None:
    b = NetworkBuilder((4, 4, 8))
    x = b.conv2d(b.input, 8, 1)
    b.dense(b.flatten(x), 5)
    arena = plan_network_arena(b.build())
    assert arena.value_offsets[1] == arena.value_offsets[2]
    assert arena.arena_bytes == 128 + 128


def test_a_value_lives_until_its_last_reader() -> None:
    b = NetworkBuilder((4, 4, 4))
    x = b.relu(b.relu(b.input))
    b.add(x, b.input)
    found, buffer_of = network_requests(b.build())
    assert found[buffer_of[0]] == BufferRequest(64, 0, 2)
    assert plan_network_arena(b.build()).arena_bytes == 3 * 64


def test_resnet20_takes_three_feature_maps_and_scratch() -> None:
    arena = plan_network_arena(resnet20())
    scratch = scratch_bytes(conv2d((32, 32, 16), 16, 3))
    assert arena.arena_bytes == 3 * 32 * 32 * 16 + scratch


def test_a_single_layer_has_its_tensors_and_scratch_side_by_side() -> None:
    arena = plan_layer_arena(conv2d((5, 5, 3), 2, 3))
    assert arena.arena_bytes == 80 + 64 + 112
    assert sorted([*arena.value_offsets, *arena.scratch_offsets]) == [0, 112, 192]


@pytest.mark.parametrize("dtype", DType)
def test_float_activations_take_four_bytes(dtype: DType) -> None:
    assert tensor_bytes((2, 3, 4), dtype) == 24 * (4 if dtype is DType.FLOAT32 else 1)
