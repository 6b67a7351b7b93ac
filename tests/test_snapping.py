"""Snapping: what is rounded, what is left alone, and that once is enough."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from network_strategies import networks as any_networks
from networks import networks, resnet20

from hwnas.kernels import CMSIS_NN, SnappingRule
from hwnas.network import (
    BINARY,
    MAX_DIMENSION,
    Layer,
    Network,
    NetworkBuilder,
    Operator,
    Shape,
    conv2d,
    dense,
)
from hwnas.snapping import layer_changes, snap, snap_channels


def channels(network: Network) -> list[int]:
    return [layer.output_shape[-1] for layer in network.layers]


@given(st.integers(1, MAX_DIMENSION), st.integers(1, 64))
@example(65_535, 4)
def test_snapped_channels_are_the_nearest_multiple(count: int, multiple: int) -> None:
    found = snap_channels(count, multiple)
    candidates = range(multiple, MAX_DIMENSION + 1, multiple)
    nearest = min(abs(count - candidates[0]), abs(count - candidates[-1]))
    below, above = count // multiple * multiple, -(-count // multiple) * multiple
    nearest = min(nearest, *(abs(count - n) for n in (below, above) if n in candidates))
    assert found in candidates
    assert abs(found - count) == nearest
    if above in candidates and above - count == nearest:
        assert found == above


@given(networks(), st.sampled_from([1, 2, 3, 4, 8]))
def test_snapping_twice_changes_nothing_more(network: Network, multiple: int) -> None:
    once = snap(network, multiple=multiple)
    assert snap(once, multiple=multiple) is once


@given(networks())
def test_only_channels_change(network: Network) -> None:
    snapped = snap(network)
    assert snapped.input_shape == network.input_shape
    assert snapped.output_shape == network.output_shape
    for old, new in zip(network.nodes, snapped.nodes, strict=True):
        assert (old.inputs, old.name) == (new.inputs, new.name)
        assert without_channels(old.layer) == without_channels(new.layer)


def without_channels(layer: Layer) -> dict[str, object]:
    plain = layer.to_dict()
    plain["input_shapes"] = [shape[:-1] for shape in layer.input_shapes]
    plain["output_shape"] = layer.output_shape[:-1]
    plain["operand"] = layer.operand[:-1]
    return plain


def that_must_stay(network: Network) -> set[int]:
    """Values whose channels must stay, by brute force."""
    tied = {0, len(network.nodes)}
    for i, node in enumerate(network.nodes):
        if node.layer.groups > 1:
            tied |= {node.inputs[0], i + 1}
        if node.layer.operator in BINARY:
            channels = node.layer.output_shape[-1]
            tied |= {v for v in node.inputs if network.shape_of(v)[-1] != channels}
    grown = True
    while grown:
        grown = False
        for i, node in enumerate(network.nodes):
            if node.layer.operator not in (Operator.CONV2D, Operator.DENSE):
                if joins(node.layer):
                    continue
                members = {v for v in node.inputs if is_tied(node.layer, network.shape_of(v))}
                members.add(i + 1)
                if members & tied and not members <= tied:
                    tied |= members
                    grown = True
    return tied


def is_tied(layer: Layer, shape: Shape) -> bool:
    return layer.operator not in BINARY or shape[-1] == layer.output_shape[-1]


def joins(layer: Layer) -> bool:
    return layer.operator is Operator.CONCATENATION and layer.axis == -1


@given(networks())
def test_all_that_gains_and_may_change_is_a_multiple(network: Network) -> None:
    snapped = snap(network)
    fixed = that_must_stay(network)
    for value in fixed:
        assert snapped.shape_of(value) == network.shape_of(value)
    if any(map(joins, network.layers)):
        return  # What a concatenation forces has tests of its own.
    for node in snapped.nodes:
        if node.layer.operator in CMSIS_NN.snapping.readers and node.inputs[0] not in fixed:
            assert node.layer.input_shape[-1] % 4 == 0


@given(any_networks(max_blocks=8))
def test_any_network_can_be_snapped(network: Network) -> None:
    snapped = snap(network)
    assert (snapped.input_shape, snapped.output_shape) == (
        network.input_shape, network.output_shape,
    )  # fmt: skip
    assert snap(snapped) is snapped


def test_each_part_of_a_concatenation_becomes_a_multiple() -> None:
    b = NetworkBuilder((8, 8, 3))
    x, y = b.conv2d(b.input, 5, 3), b.conv2d(b.input, 6, 3)
    x = b.concatenation([b.relu(x), y, b.max_pool2d(y, 1)])
    b.dense(b.global_average_pool2d(b.conv2d(x, 9, 3)), 2)
    assert channels(snap(b.build())) == [4, 8, 4, 8, 20, 8, 8, 2]


def test_a_concatenation_that_nobody_gains_from_is_no_reason() -> None:
    b = NetworkBuilder((8, 8, 3))
    x = b.concatenation([b.conv2d(b.input, 5, 3), b.conv2d(b.input, 6, 3)])
    b.depthwise_conv2d(x, 3)
    network = b.build()
    assert snap(network) is network


def test_concatenations_of_concatenations() -> None:
    b = NetworkBuilder((8, 8, 3))
    x = b.conv2d(b.input, 6, 3)
    for _ in range(2):
        x = b.concatenation([x, b.conv2d(x, 5, 3)])
    b.dense(b.global_average_pool2d(x), 2)
    assert channels(snap(b.build())) == [8, 4, 12, 4, 16, 16, 2]


def test_a_part_that_must_stay_and_is_no_multiple_keeps_the_others() -> None:
    b = NetworkBuilder((8, 8, 3))
    x = b.concatenation([b.input, b.conv2d(b.input, 5, 3)])
    b.dense(b.global_average_pool2d(x), 2)
    network = b.build()
    assert snap(network) is network


def test_a_part_that_must_stay_and_is_a_multiple_does_not() -> None:
    b = NetworkBuilder((8, 8, 4))
    x = b.concatenation([b.input, b.conv2d(b.input, 5, 3)])
    b.dense(b.global_average_pool2d(x), 2)
    assert channels(snap(b.build())) == [4, 8, 8, 2]


def test_what_is_added_to_a_concatenation_follows_it() -> None:
    b = NetworkBuilder((8, 8, 3))
    x = b.concatenation([b.conv2d(b.input, 5, 3), b.conv2d(b.input, 6, 3)])
    x = b.add(x, b.conv2d(x, 11, 3))
    b.dense(b.global_average_pool2d(x), 2)
    assert channels(snap(b.build())) == [4, 8, 12, 12, 12, 12, 2]


def test_two_concatenations_that_are_added_stay() -> None:
    b = NetworkBuilder((8, 8, 3))
    x = b.concatenation([b.conv2d(b.input, 5, 3), b.conv2d(b.input, 6, 3)])
    y = b.concatenation([b.conv2d(b.input, 4, 3), b.conv2d(b.input, 7, 3)])
    b.dense(b.global_average_pool2d(b.add(x, y)), 2)
    network = b.build()
    assert snap(network) is network


def test_a_concatenation_that_is_tied_to_its_own_part_stays() -> None:
    b = NetworkBuilder((8, 8, 3))
    x = b.conv2d(b.input, 5, 3)
    y = b.concatenation([x, b.conv2d(b.input, 5, 3)])
    x = b.add(y, b.depthwise_conv2d(x, 3, depth_multiplier=2))
    b.dense(b.global_average_pool2d(x), 2)
    network = b.build()
    assert snap(network) is network


def test_maps_that_are_joined_along_a_side_change_together() -> None:
    b = NetworkBuilder((8, 8, 3))
    x = b.concatenation([b.conv2d(b.input, 5, 3), b.conv2d(b.input, 5, 3)], axis=-2)
    b.conv2d(x, 2, 1)
    assert channels(snap(b.build())) == [4, 4, 4, 2]


def test_a_gate_and_constants_have_the_channels_that_they_are_spread_over() -> None:
    b = NetworkBuilder((8, 8, 3))
    x = b.mul(b.conv2d(b.input, 6, 3), operand=(6,), activation="relu")
    x = b.add(x, operand=(1,), activation="relu")
    x = b.mul(x, b.logistic(b.dense(b.global_average_pool2d(x), 6)))
    b.conv2d(x, 2, 1)
    snapped = snap(b.build())
    assert channels(snapped) == [8, 8, 8, 8, 8, 8, 8, 2]
    assert [layer.operand for layer in snapped.layers[1:3]] == [(8,), (1,)]


def test_a_single_value_that_is_spread_stays_one() -> None:
    b = NetworkBuilder((8, 8, 3))
    x = b.conv2d(b.input, 6, 3)
    gate = b.dense(b.global_average_pool2d(x), 1)
    b.conv2d(b.mul(x, gate), 2, 1)
    assert channels(snap(b.build())) == [8, 8, 1, 8, 2]


def test_grouped_convolutions_and_what_feeds_them_stay() -> None:
    b = NetworkBuilder((8, 8, 3))
    x = b.pad(b.conv2d(b.input, 6, 3), (1, 1, 1, 1))
    x = b.conv2d(x, 9, 3, groups=3)
    b.conv2d(b.conv2d(x, 5, 1), 2, 1)
    assert channels(snap(b.build())) == [6, 6, 9, 4, 2]


def test_channels_are_followed_through_pools_activations_and_flatten() -> None:
    b = NetworkBuilder((8, 8, 3))
    x = b.conv2d(b.input, 6, 3)
    x = b.max_pool2d(b.relu(x))
    x = b.dense(b.flatten(x), 9, activation="relu")
    b.softmax(b.dense(x, 7))
    assert channels(snap(b.build())) == [8, 8, 8, 128, 8, 7, 7]


def test_a_flattened_map_is_snapped_even_if_its_length_is_a_multiple() -> None:
    b = NetworkBuilder((4, 4, 3))
    b.dense(b.flatten(b.conv2d(b.input, 5, 1)), 10)
    assert channels(snap(b.build())) == [4, 64, 10]


def test_a_depthwise_layer_is_no_reason_to_snap() -> None:
    b = NetworkBuilder((8, 8, 3))
    b.depthwise_conv2d(b.depthwise_conv2d(b.conv2d(b.input, 6, 3), 3), 3)
    network = b.build()
    assert snap(network) is network


def test_a_convolution_behind_a_depthwise_layer_is() -> None:
    b = NetworkBuilder((8, 8, 3))
    x = b.depthwise_conv2d(b.conv2d(b.input, 6, 3), 3)
    b.conv2d(x, 5, 1)
    assert channels(snap(b.build())) == [8, 8, 5]


def test_a_depth_multiplier_may_be_enough() -> None:
    b = NetworkBuilder((8, 8, 3))
    x = b.depthwise_conv2d(b.conv2d(b.input, 6, 3), 3, depth_multiplier=2)
    b.conv2d(x, 5, 1)
    network = b.build()
    assert snap(network) is network


def test_added_channels_snap_together() -> None:
    b = NetworkBuilder((8, 8, 3))
    x = b.conv2d(b.input, 10, 3)
    y = b.conv2d(x, 10, 3)
    b.dense(b.global_average_pool2d(b.add(x, y)), 3)
    assert channels(snap(b.build())) == [12, 12, 12, 12, 3]


def test_what_is_added_to_the_input_keeps_its_channels() -> None:
    b = NetworkBuilder((8, 8, 6))
    x = b.add(b.conv2d(b.conv2d(b.input, 7, 3), 6, 3), b.input)
    b.dense(b.global_average_pool2d(x), 3)
    assert channels(snap(b.build())) == [8, 6, 6, 6, 3]


def test_what_is_added_to_the_output_keeps_its_channels() -> None:
    b = NetworkBuilder((8, 8, 3))
    x = b.conv2d(b.input, 6, 3)
    b.add(x, b.conv2d(x, 6, 3))
    network = b.build()
    assert snap(network) is network


def test_ties_reach_through_chains_of_additions() -> None:
    b = NetworkBuilder((8, 8, 3))
    left, middle, right = (b.conv2d(b.input, 6, 3) for _ in range(3))
    x = b.add(b.add(left, middle), b.relu(right))
    b.conv2d(x, 2, 1)
    assert channels(snap(b.build())) == [8, 8, 8, 8, 8, 8, 2]


def test_an_unflattened_vector_snaps_as_a_map() -> None:
    b = NetworkBuilder((8,))
    x = b.reshape(b.dense(b.input, 24), (2, 2, 6))
    b.conv2d(x, 3, 1)
    assert channels(snap(b.build())) == [32, 8, 3]


def test_a_vector_that_would_grow_too_long_is_rounded_down() -> None:
    b = NetworkBuilder((100, 100, 1))
    b.dense(b.flatten(b.conv2d(b.input, 6, 1)), 2)
    assert channels(snap(b.build())) == [4, 40_000, 2]


def test_a_rule_without_readers_changes_nothing() -> None:
    network = NetworkBuilder((8, 8, 3))
    network.conv2d(network.conv2d(network.input, 5, 3), 5, 3)
    built = network.build()
    assert snap(built, rule=SnappingRule(4, frozenset(), "")) is built
    assert channels(snap(built, rule=SnappingRule(8, frozenset({Operator.CONV2D}), ""))) == [8, 5]


def test_resnet20_is_as_it_should_be() -> None:
    network = resnet20()
    assert snap(network) is network


def test_a_multiple_below_one_is_refused() -> None:
    b = NetworkBuilder((8,))
    b.dense(b.input, 2)
    with pytest.raises(ValueError, match="multiple 0"):
        snap(b.build(), multiple=0)


def test_layers_stay_those_that_their_constructors_make() -> None:
    b = NetworkBuilder((9, 9, 3))
    x = b.conv2d(b.input, 5, 3, strides=2, activation="relu6")
    b.dense(b.global_average_pool2d(x), 2)
    first, _, last = snap(b.build()).layers
    assert first == conv2d((9, 9, 3), 4, 3, strides=2, activation="relu6")
    assert last == dense((4,), 2)


@given(networks())
def test_the_changes_are_the_layers_that_differ(network: Network) -> None:
    snapped = snap(network)
    found = layer_changes(network, snapped)
    assert bool(found) == (snapped != network)
    before, after = [c.before for c in found], [c.after for c in found]
    same = [old for old, new in zip(network.layers, snapped.layers, strict=True) if old == new]
    assert sorted(layer.digest for layer in (*before, *same)) == sorted(
        layer.digest for layer in network.layers
    )
    assert all(old != new for old, new in zip(before, after, strict=True))


def test_a_change_has_the_nodes_name_or_the_operators() -> None:
    b = NetworkBuilder((8, 8, 3))
    b.conv2d(b.conv2d(b.input, 7, 3, name="stem"), 4, 1)
    network = b.build()
    assert [change.to_dict() for change in layer_changes(network, snap(network))] == [
        {
            "name": "stem",
            "before": "conv2d 3x3/1 8x8x3 -> 8x8x7",
            "after": "conv2d 3x3/1 8x8x3 -> 8x8x8",
        },
        {
            "name": "conv2d",
            "before": "conv2d 1x1/1 8x8x7 -> 8x8x4",
            "after": "conv2d 1x1/1 8x8x8 -> 8x8x4",
        },
    ]
