"""Plans against docs/plan-format.md, read back field by field."""

from __future__ import annotations

import itertools
import math
import struct
from collections import Counter

import pytest
from flat_models import random_model
from hypothesis import given
from hypothesis import strategies as st
from networks import networks, resnet20
from operator_networks import operator_networks
from oracle import read_model
from plan_reader import CONCATENATION, NONE, POOL, check_consistent, check_steps, disjoint

from hwnas.errors import PlanError
from hwnas.network import (
    Activation,
    Layer,
    Network,
    NetworkBuilder,
    add,
    conv2d,
    relu6,
    reshape,
    softmax,
)
from hwnas.plan import (
    TensorQuantization,
    compile_layers,
    compile_plan,
    layer_parameters,
    quantize_multiplier,
)


@given(networks() | operator_networks())
def test_a_synthetic_plan_is_what_the_format_says(network: Network) -> None:
    plan = compile_plan(network, pool=POOL)
    parsed = check_consistent(plan)
    check_steps(network, plan, parsed)
    assert parsed.header["parameters"] == 0 and parsed.header["kernel_set"] == 0
    assert (plan.input_tensor, plan.output_tensor) == (0, len(network.nodes))
    assert (parsed.header["input_tensor"], parsed.header["output_tensor"]) == (
        plan.input_tensor, plan.output_tensor
    )  # fmt: skip
    regions = sorted((t.span for t in parsed.tensors if t.region == 1), key=lambda r: r.start)
    assert all(a.stop <= b.start for a, b in itertools.pairwise(regions))
    assert plan.parameter_data == b"" and plan.arena_writes == ()


def costly(network: Network) -> Counter[Layer]:
    return Counter(layer for layer in network.layers if not layer.is_free)


@given(networks() | operator_networks(), st.integers(0, 99))
def test_attached_parameters_arrive_where_the_plan_says(drawn: Network, seed: int) -> None:
    model = read_model(random_model(drawn, seed))
    network = model.network  # its branches may come in another order, with fewer reshapes
    assert costly(network) == costly(drawn)
    in_flash = compile_plan(network, parameters=model.parameters)
    in_arena = compile_plan(network, parameters=model.parameters, placement="arena")
    parsed = [check_consistent(plan) for plan in (in_flash, in_arena)]
    for plan, view in zip((in_flash, in_arena), parsed, strict=True):
        check_steps(network, plan, view)
        assert view.header["parameters"] == 1
        assert tuple(t.zero_point for t in view.tensors[: len(network.nodes) + 1]) == (
            model.parameters.zero_points
        )
    assert len(in_flash.parameter_data) == in_flash.parameter_bytes
    assert in_arena.parameter_bytes == 0 and in_arena.parameter_data == b""
    sent = dict(in_arena.arena_writes)
    for flash_step, arena_step, i in zip(
        parsed[0].steps, parsed[1].steps, in_flash.step_nodes, strict=True
    ):
        given_ = model.parameters.layers[i]
        wanted = {
            "weights": given_.weights,
            "bias": struct.pack(f"<{len(given_.bias)}i", *given_.bias),
            "multipliers": struct.pack(f"<{len(given_.multipliers)}i", *given_.multipliers),
            "shifts": struct.pack(f"<{len(given_.shifts)}i", *given_.shifts),
        }
        places = {kind: (getattr(flash_step, kind), getattr(arena_step, kind)) for kind in wanted}
        if given_.operand:
            wanted["operand"] = given_.operand
            at = 0 if network.layers[i].operand_first else -1
            places["operand"] = (flash_step.inputs[at], arena_step.inputs[at])
            for view, index in zip(parsed, places["operand"], strict=True):
                assert view.tensors[index].zero_point == given_.operand_zero_point
        for kind, data in wanted.items():
            if data:
                in_image, in_ram = places[kind]
                span = parsed[0].tensors[in_image].span
                assert in_flash.parameter_data[span.start : span.stop] == data
                assert sent[in_ram] == data
        if flash_step.operator != CONCATENATION:
            assert flash_step.p[: len(given_.constants)] == given_.constants
            assert not any(flash_step.p[len(given_.constants) :])
        assert flash_step.bounds == (given_.activation_min, given_.activation_max)
    parameters = [parsed[1].tensors[index].span for index in sent]
    activations = [t.span for t in parsed[1].tensors[: len(network.nodes) + 1]]
    for i, span in enumerate(parameters):
        assert all(disjoint(span, other) for other in (*parameters[:i], *activations))


def test_resnet20_compiles_with_its_plan_small(lenet: Network) -> None:
    assert len(compile_plan(lenet, pool=POOL).data) == 1392
    plan = compile_plan(resnet20(), pool=POOL)
    check_consistent(plan)
    assert plan.arena_bytes == 3 * 16_384 + 576


def test_layers_run_alone_share_the_arena() -> None:
    layers = [
        conv2d((8, 8, 4), 6, 3),
        reshape((2, 2), (4,)),
        add((8, 8, 4), activation="relu6"),
        softmax((10,)),
    ]
    plan = compile_layers(layers, pool=POOL)
    parsed = check_consistent(plan)
    assert plan.step_nodes == (0, 2, 3)
    assert plan.arena_bytes == max(
        compile_layers([layer], pool=POOL).arena_bytes for layer in (layers[0], *layers[2:])
    )
    assert [step.operator for step in parsed.steps] == [1, 9, 7]
    tensors = [index for step in parsed.steps for index in (*step.inputs, step.output)]
    activations = [index for index in tensors if index != NONE]
    assert len(set(activations)) == len(activations) == 7
    first, second = (parsed.tensors[i].span for i in parsed.steps[1].inputs)
    assert disjoint(first, second)


def test_a_layer_alone_is_described_as_in_its_network() -> None:
    b = NetworkBuilder((8, 8, 4))
    b.conv2d(b.input, 6, 3, activation="relu6")
    network = b.build()
    assert compile_layers(network.layers, pool=POOL).data == compile_plan(network, pool=POOL).data


def test_equal_networks_give_equal_plans(lenet: Network) -> None:
    again = Network.from_json(lenet.to_json())
    assert compile_plan(lenet, pool=POOL) == compile_plan(again, pool=POOL)


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (0.0, (0, 0)),
        (0.5, (1 << 30, 0)),
        (1.0, (1 << 30, 1)),
        (1 - 2**-40, (1 << 30, 1)),
        (2.0**-31, (1 << 30, -30)),
        (2.0**-32, (1 << 30, -31)),
        (2.0**-33, (0, 0)),
        (3e-3, (1649267442, -8)),
    ],
)
def test_factors_are_quantized_as_tflite_does(real: float, expected: tuple[int, int]) -> None:
    assert quantize_multiplier(real) == expected


@given(st.floats(2.0**-31, 2.0**30 - 1, exclude_max=True))
def test_a_quantized_factor_is_close(real: float) -> None:
    multiplier, shift = quantize_multiplier(real)
    assert 1 << 30 <= multiplier < 1 << 31
    assert -31 <= shift <= 30
    assert multiplier * 2.0**shift / 2**31 == pytest.approx(real, rel=2**-30)


@pytest.mark.parametrize("real", [-1.0, 2.0**30, math.inf, math.nan])
def test_other_factors_are_refused(real: float) -> None:
    with pytest.raises(PlanError, match="cannot be quantized"):
        quantize_multiplier(real)


@pytest.mark.parametrize(
    ("activation", "point", "bounds"),
    [
        ("none", 3, (-128, 127)),
        ("relu", 3, (3, 127)),
        ("relu6", -128, (-128, -8)),
        ("relu6", 100, (100, 127)),
    ],
)
def test_bounds_of_fused_activations(activation: str, point: int, bounds: tuple[int, int]) -> None:
    found = layer_parameters(
        add((4,), activation=activation),
        [TensorQuantization(0.1, 0)] * 2,
        TensorQuantization(0.05, point),
    )
    assert (found.activation_min, found.activation_max) == bounds
    assert Activation(activation) is add((4,), activation=activation).activation


def test_relu6_of_its_own_has_bounds() -> None:
    same = TensorQuantization(0.05, -20)
    found = layer_parameters(relu6((4,)), [same], same)
    assert (found.activation_min, found.activation_max) == (-20, 100)
    assert found.constants == (1 << 30, 1)
