"""The arena: nothing alive is overwritten, and nothing is larger than it must be."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from network_strategies import networks as any_networks
from networks import WHOLE, networks, resnet20
from tflm_arena import activation_bytes, cmsis_nn_scratch, head_bytes, host_scratch, planned_bytes

from hwnas.arena import (
    ARENA_ALIGNMENT,
    BufferRequest,
    Reuse,
    align_up,
    fullest_step_bytes,
    network_requests,
    plan_arena,
    plan_layer_arena,
    plan_network_arena,
    tensor_bytes,
)
from hwnas.kernels import IN_PLACE, default_kernels, scratch_bytes
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


@given(st.one_of(networks(), any_networks(max_blocks=8)))
def test_a_networks_values_are_intact_when_they_are_read(network: Network) -> None:
    """Plays the network: each byte belongs to the value that wrote it last."""
    arena = plan_network_arena(network)
    owner = [-1] * arena.arena_bytes

    def place(value: int) -> slice:
        start = arena.value_offsets[value]
        size = tensor_bytes(network.shape_of(value), network.dtype_of(value))
        return slice(start, start + size)

    def is_intact(value: int) -> bool:
        return set(owner[place(value)]) == {tags[value]}

    kernels = default_kernels(network.dtype)
    tags = [0]
    owner[place(0)] = [0] * len(owner[place(0)])
    for i, node in enumerate(network.nodes):
        made = i + 1
        assert all(map(is_intact, node.inputs))
        if node.layer.is_free:
            tags.append(tags[node.inputs[0]])
            continue
        start, size = arena.scratch_offsets[i], scratch_bytes(node.layer, kernels)
        assert start + size <= arena.arena_bytes
        owner[start : start + size] = [-2] * size
        tags.append(made)
        owner[place(made)] = [made] * len(owner[place(made)])
        # Inputs are read until the output is complete, but for those that it replaces in place.
        for value in node.inputs:
            in_place = node.layer.operator in IN_PLACE and place(value) == place(made)
            assert in_place or is_intact(value)
        assert -2 in set(owner[start : start + size]) or size == 0
    assert is_intact(len(network.nodes))


@given(networks())
def test_writing_over_inputs_never_costs_memory(network: Network) -> None:
    requests, _ = network_requests(network, reuse=Reuse.NONE)
    arena = plan_network_arena(network)
    assert arena.arena_bytes <= plan_arena(requests).arena_bytes
    assert plan_network_arena(network) == arena


@given(st.lists(requests(), max_size=25))
def test_no_layout_is_smaller_than_the_fullest_step(buffers: list[BufferRequest]) -> None:
    assert fullest_step_bytes(buffers) == max(live_bytes(buffers, step) for step in range(14))


def test_the_largest_buffer_first_is_not_always_best() -> None:
    """Found at random: each of the four orders takes 144 bytes."""
    buffers = [
        BufferRequest(size, first, last)
        for size, first, last in [(64, 1, 3), (32, 4, 5), (48, 4, 6), (48, 3, 5)]
    ]
    assert plan_arena(buffers).arena_bytes == fullest_step_bytes(buffers) == 128


@pytest.mark.parametrize("make", WHOLE.values(), ids=WHOLE)
def test_arenas_are_no_larger_than_those_of_tflite_for_microcontrollers(
    make: Callable[[], Network],
) -> None:
    network = make()
    head = head_bytes(network)
    assert activation_bytes(network) <= head
    assert planned_bytes(network, host_scratch) == head, "its planner is repeated as it is"
    arena = plan_network_arena(network).arena_bytes
    assert arena <= planned_bytes(network, cmsis_nn_scratch)
    requests, _ = network_requests(network)
    assert arena == fullest_step_bytes(requests), "nothing could be saved by another layout"


@given(st.one_of(networks(), any_networks(max_blocks=8, dtypes=[DType.INT8])))
def test_no_random_networks_arena_is_larger_than_tflites(network: Network) -> None:
    # CMSIS-NN 4.0.0 has no grouped convolution; ours buys its speed with scratch memory.
    assume(all(layer.groups == 1 for layer in network.layers))
    assert plan_network_arena(network).arena_bytes <= planned_bytes(network, cmsis_nn_scratch)


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
    assert plan_network_arena(b.build()).arena_bytes == 2 * 64


def test_elementwise_operators_write_over_what_dies() -> None:
    b = NetworkBuilder((4, 4, 4))
    x = b.tanh(b.max_pool2d(b.input, 1))
    y = b.conv2d(x, 4, 1)
    gate = b.logistic(b.global_max_pool2d(y))
    x = b.add(x, y, activation="relu")  # over x, as the gate needs y no longer
    x = b.hard_swish(b.reshape(b.mul(x, gate), (8, 2, 4)))
    b.softmax(b.concatenation([x, x]))
    offsets = plan_network_arena(b.build()).value_offsets
    assert offsets[1] == offsets[2]
    assert offsets[4] == offsets[5]
    assert offsets[6] == offsets[7] == offsets[8] == offsets[9] == offsets[2]
    assert offsets[10] == offsets[11]


def test_what_is_read_later_is_not_written_over() -> None:
    b = NetworkBuilder((4, 4, 4))
    x = b.max_pool2d(b.input, 1)
    view = b.reshape(x, (2, 8, 4))
    y = b.relu(x)
    b.sub(b.reshape(y, (2, 8, 4)), view)
    offsets = plan_network_arena(b.build()).value_offsets
    assert offsets[1] == offsets[2] != offsets[3] == offsets[4] == offsets[5]


def test_a_broadcast_operand_is_not_written_over() -> None:
    b = NetworkBuilder((4, 4, 4))
    gate = b.global_max_pool2d(b.input)
    x = b.max_pool2d(b.input, 1)
    b.sub(gate, x)
    offsets = plan_network_arena(b.build()).value_offsets
    assert offsets[3] == offsets[2] != offsets[1]


def test_floats_at_the_ends_take_four_bytes() -> None:
    b = NetworkBuilder((4, 4, 8))
    b.dequantize(b.relu(b.quantize(b.input)))
    requests, _ = network_requests(b.build())
    assert [request.size for request in requests[:3]] == [512, 128, 512]
    alone = plan_layer_arena(b.build().layers[0])
    assert alone.arena_bytes == 512 + 128


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
