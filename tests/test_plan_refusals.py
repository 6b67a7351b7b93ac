"""What no plan is made of, and what it takes to be one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from networks import resnet20
from plan_reader import POOL

from hwnas.errors import PlanError
from hwnas.network import (
    DType,
    Layer,
    Network,
    NetworkBuilder,
    add,
    conv2d,
    dense,
    depthwise_conv2d,
    max_pool2d,
    relu,
    reshape,
    softmax,
)
from hwnas.plan import (
    LayerParameters,
    NetworkParameters,
    PoolLayout,
    TensorQuantization,
    compile_layers,
    compile_plan,
    layer_parameters,
)


def one_dense(units: int = 2) -> tuple[Network, NetworkParameters]:
    b = NetworkBuilder((4,))
    b.dense(b.input, units)
    layer = LayerParameters(bytes(4 * units), (0,) * units, constants=(1 << 30, -3))
    return b.build(), NetworkParameters((0, 0), (layer,))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": b"123"}, "3 weights, 8 wanted"),
        ({"bias": ()}, "0 bias, 2 wanted"),
        ({"bias": (0, 1 << 31)}, "bias 2147483648 is outside -2147483648 to 2147483647"),
        ({"multipliers": (1, 2)}, "2 multipliers, 0 wanted"),
        ({"shifts": (1, 2)}, "2 shifts, 0 wanted"),
        ({"constants": ()}, "0 constants, 2 wanted"),
        ({"activation_min": 5, "activation_max": 4}, "activation bounds 5 to 4"),
        ({"activation_max": 128}, "activation bounds -128 to 128"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(change: dict[str, object], message: str) -> None:
    network, parameters = one_dense()
    wrong = replace(parameters, layers=(replace(parameters.layers[0], **change),))  # type: ignore[arg-type]
    with pytest.raises(PlanError, match=f"layer 0 \\(dense\\): .*{message}"):
        compile_plan(network, parameters=wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"multipliers": (1 << 30, -1)}, "multiplier -1 is outside 0 to 2147483647"),
        ({"shifts": (0, 31)}, "shift 31 is outside -31 to 30"),
        ({"shifts": (-32, 0)}, "shift -32 is outside -31 to 30"),
    ],
)
def test_factors_that_the_board_cannot_check_are_refused(
    change: dict[str, tuple[int, int]], message: str
) -> None:
    b = NetworkBuilder((4, 4, 1))
    b.conv2d(b.input, 2, 1, use_bias=False)
    layer = LayerParameters(b"ab", multipliers=(1 << 30,) * 2, shifts=(0, 0))
    compile_plan(b.build(), parameters=NetworkParameters((0, 0), (layer,)))
    with pytest.raises(PlanError, match=message):
        compile_plan(b.build(), parameters=NetworkParameters((0, 0), (replace(layer, **change),)))


def test_zero_points_are_checked() -> None:
    network, parameters = one_dense()
    with pytest.raises(PlanError, match="zero point 128 of value 1"):
        compile_plan(network, parameters=replace(parameters, zero_points=(0, 128)))
    with pytest.raises(PlanError, match="2 zero points, not 1 and 1"):
        compile_plan(network, parameters=replace(parameters, zero_points=(0,)))


def test_pool_and_parameters_exclude_each_other() -> None:
    network, parameters = one_dense()
    with pytest.raises(PlanError, match="either pool"):
        compile_plan(network)
    with pytest.raises(PlanError, match="either pool"):
        compile_plan(network, pool=POOL, parameters=parameters)
    with pytest.raises(PlanError, match="placement 'disk'"):
        compile_plan(network, parameters=parameters, placement="disk")


def test_unknown_kernels_and_types_are_refused() -> None:
    network, _ = one_dense()
    with pytest.raises(PlanError, match="kernel set 'xnnpack'"):
        compile_plan(network, pool=POOL, kernel_set="xnnpack")
    b = NetworkBuilder((4,), dtype="float32")
    b.dense(b.input, 2)
    with pytest.raises(PlanError, match="computes in int8, the network is float32"):
        compile_plan(b.build(), pool=POOL, kernel_set="cmsis_nn")
    with pytest.raises(PlanError, match="computes in float32, the network is int8"):
        compile_plan(network, pool=POOL, kernel_set="float32")
    with pytest.raises(PlanError, match="float32"):
        compile_layers([dense((4,), 2), dense((4,), 2, dtype=DType.FLOAT32)], pool=POOL)


@pytest.mark.parametrize(
    ("largest", "message"),
    [
        (lambda n: conv2d((1, 1, 65_535 // 3 + n), 1, (1, 3), padding=(0, 1, 0, 1)), "products"),
        (lambda n: depthwise_conv2d((1, 1, 1), (255, 257 + n)), "products"),
        (
            lambda n: conv2d(
                (1, 1, 2 * (65_535 // 3 + n)), 2, (1, 3), groups=2, padding=(0, 1, 0, 1)
            ),
            "products",
        ),
        (lambda n: conv2d((8, 1, 1), 1, (2, 1), dilation=(32_766 + n, 1)), "kernel"),
        (lambda n: max_pool2d((8, 1, 1), (32_767 + n, 1), padding="same"), "kernel"),
        (lambda n: depthwise_conv2d((8, 1, 1), (32_767 + n, 1)), "kernel"),
        (lambda n: relu((32_767 + n, 1, 1)), "feature map"),
        (lambda n: softmax((32_767 + n, 1)), "feature map"),
    ],
)
def test_what_the_kernels_cannot_count_is_refused(
    largest: Callable[[int], Layer], message: str
) -> None:
    compile_layers([largest(0)], pool=POOL)
    with pytest.raises(PlanError, match=message):
        compile_layers([largest(1)], pool=POOL)


def test_a_reshape_to_a_long_map_is_refused() -> None:
    b = NetworkBuilder((32_768,))
    b.relu(b.reshape(b.reshape(b.input, (32_768, 1)), (32_768,)))
    with pytest.raises(PlanError, match="feature map"):
        compile_plan(b.build(), pool=POOL)


def test_an_arena_beyond_32_bits_is_refused() -> None:
    b = NetworkBuilder((16_384, 1, 65_535))
    x = b.max_pool2d(b.input, 1)
    y = b.max_pool2d(x, 1)
    z = b.max_pool2d(y, 1)
    b.add(b.add(b.add(b.max_pool2d(z, 1), z), y), b.add(x, b.input))
    with pytest.raises(PlanError, match="bytes, which no plan can describe"):
        compile_plan(b.build(), pool=POOL)


def test_a_sum_scaled_up_is_refused() -> None:
    layer = add((4,))
    inputs = [TensorQuantization(0.5, 0)] * 2
    assert layer_parameters(layer, inputs, TensorQuantization(2.0**-19, 0)).constants[-1] == 0
    with pytest.raises(PlanError, match="output scale"):
        layer_parameters(layer, inputs, TensorQuantization(2.0**-20, 0))


def test_too_many_tensors_are_refused() -> None:
    b = NetworkBuilder((1, 1, 1))
    x = b.input
    for _ in range(300):
        x = b.conv2d(x, 1, 1)
    with pytest.raises(PlanError, match="at most 1024 tensors"):
        compile_plan(b.build(), pool=POOL)


def test_nothing_to_run_is_refused() -> None:
    b = NetworkBuilder((4, 2))
    b.flatten(b.input)
    with pytest.raises(PlanError, match="1 to 512 steps, not 0"):
        compile_plan(b.build(), pool=POOL)
    for layers in ([], [reshape((2, 2), (4,))]):
        with pytest.raises(PlanError, match="nothing to run"):
            compile_layers(layers, pool=POOL)


def test_a_network_larger_than_the_pool_is_refused() -> None:
    with pytest.raises(PlanError):
        compile_plan(resnet20(), pool=PoolLayout.for_region(1 << 16))


def test_a_dense_layer_takes_one_weight_scale() -> None:
    with pytest.raises(PlanError, match="_experimental_disable_per_channel"):
        layer_parameters(
            dense((4,), 2),
            [TensorQuantization(0.1, 0)],
            TensorQuantization(0.1, 0),
            weights=bytes(8),
            weight_scales=[0.1, 0.2],
        )
