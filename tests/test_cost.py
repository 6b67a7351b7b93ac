"""Static cost against the paper's figures, its equations, and the plan that is really made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import networks, resnet20

from hwnas.cost import LayerCost, RuntimeFootprint, layer_cost, static_cost
from hwnas.kernels import kernel_variant, scratch_bytes
from hwnas.network import (
    DType,
    Layer,
    Network,
    Operator,
    add,
    average_pool2d,
    binary,
    concatenation,
    conv2d,
    dense,
    depthwise_conv2d,
    global_max_pool2d,
    hard_swish,
    max_pool2d,
    pad,
    quantize,
    relu6,
    softmax,
)
from hwnas.plan import PoolLayout, compile_plan


def test_lenet_has_the_papers_macs(lenet: Network) -> None:
    cost = static_cost(lenet)
    assert cost.macs == 274_656
    assert cost.parameters == 60 + 880 + 69_240 + 10_164 + 850
    assert cost.paper_macs == 900 * 6 * 10 + 169 * 16 * 6 * 10 + 69_240 + 10_164 + 850


def test_resnet20_has_the_papers_macs() -> None:
    cost = static_cost(resnet20())
    assert cost.macs == 40_813_184
    assert cost.paper_macs > cost.macs
    # Two 64-channel copies and scratch at the first stage, and not much of everything.
    assert cost.arena_bytes == 3 * 16_384 + 576


def test_dense_follows_equations_1_and_2() -> None:
    cost = layer_cost(dense((120,), 84))
    assert (cost.paper_flops, cost.paper_macs) == (2 * 84 * 120, 84 * 121)
    assert (cost.macs, cost.parameters) == (84 * 120, 84 * 121)


@pytest.mark.parametrize(
    ("size", "kernel", "padding", "stride"),
    [(28, 5, 0, 1), (28, 3, 1, 1), (29, 3, 1, 2), (32, 1, 0, 2)],
)
def test_convolutions_follow_equations_3_4_6_and_7(
    size: int, kernel: int, padding: int, stride: int
) -> None:
    outputs = ((size - kernel + 2 * padding) // stride + 1) ** 2
    pads = (padding,) * 4 if stride == 1 or size % 2 else (0, 0, 0, 0)
    conv = layer_cost(conv2d((size, size, 6), 16, kernel, strides=stride, padding=pads))
    taps = kernel * kernel
    assert conv.paper_flops == outputs * 6 * (2 * taps + 1) * 16
    assert conv.paper_macs == outputs * 6 * (taps + 1) * 16
    assert conv.macs == outputs * 6 * taps * 16
    depthwise = layer_cost(depthwise_conv2d((size, size, 6), kernel, strides=stride, padding=pads))
    assert depthwise.paper_flops == outputs * 6 * (2 * taps + 1)
    assert depthwise.paper_macs == outputs * 6 * (taps + 1)
    assert depthwise.macs == outputs * 6 * taps


def test_a_group_reads_its_own_channels_alone() -> None:
    whole = layer_cost(conv2d((8, 8, 8), 16, 3, use_bias=False))
    grouped = layer_cost(conv2d((8, 8, 8), 16, 3, groups=4, use_bias=False))
    for name in ("parameters", "macs", "paper_macs", "paper_flops"):
        assert getattr(whole, name) == 4 * getattr(grouped, name)
    filters = layer_cost(conv2d((8, 8, 8), 16, 3, groups=8))
    multiplied = layer_cost(depthwise_conv2d((8, 8, 8), 3, depth_multiplier=2))
    assert filters == multiplied


def test_a_dilation_costs_no_macs() -> None:
    assert layer_cost(conv2d((9, 9, 4), 4, 3, dilation=2)) == layer_cost(conv2d((9, 9, 4), 4, 3))


def test_constant_operands_are_parameters_without_macs() -> None:
    cost = layer_cost(binary(Operator.MUL, (8, 8, 20), operand=(20,)))
    assert cost == LayerCost(20, 0, 0, 0, parameter_bytes=32, parameter_tensors=1)
    floats = binary(Operator.ADD, (8, 8, 20), operand=(20,), dtype=DType.FLOAT32)
    assert layer_cost(floats).parameter_bytes == 96
    assert layer_cost(binary(Operator.SUB, (8, 8, 20), operand=(1,))).parameter_bytes == 32


@pytest.mark.parametrize(
    "layer",
    [
        max_pool2d((8, 8, 4)),
        average_pool2d((8, 8, 4)),
        global_max_pool2d((8, 8, 4)),
        add((8, 8, 4)),
        binary(Operator.MUL, (8, 8, 4), (4,)),
        concatenation([(8, 8, 4), (8, 8, 4)]),
        pad((8, 8, 4), (1, 1, 1, 1)),
        softmax((9,)),
        relu6((9,)),
        hard_swish((9,)),
        quantize((9,)),
    ],
)
def test_layers_without_weights_count_nothing(layer: Layer) -> None:
    assert layer_cost(layer) == LayerCost(0, 0, 0, 0, 0, 0)


def test_flash_counts_quantization_parameters_aligned() -> None:
    conv = layer_cost(conv2d((8, 8, 3), 5, 3))
    assert conv.parameter_bytes == 160 + 3 * 32  # 135 weights; bias, multipliers, shifts of 20
    assert conv.parameter_tensors == 4
    assert layer_cost(conv2d((8, 8, 3), 5, 3, use_bias=False)).parameter_tensors == 3
    assert layer_cost(dense((9,), 9)).parameter_bytes == 96 + 64
    float_dense = layer_cost(dense((9,), 9, dtype=DType.FLOAT32))
    assert float_dense.parameter_bytes == 352 + 64


@given(networks(), st.sampled_from(DType))
def test_static_cost_is_that_of_the_plan(network: Network, dtype: DType) -> None:
    network = network.as_dtype(dtype)
    cost = static_cost(network, RuntimeFootprint(1000, 20_000))
    plan = compile_plan(network, pool=PoolLayout.for_region(4 << 20))
    assert cost.plan_bytes == len(plan.data)
    assert cost.arena_bytes == plan.arena_bytes
    assert cost.ram_bytes == plan.arena_bytes + 1000
    assert cost.flash_bytes == cost.parameter_bytes + len(plan.data) + 20_000


@pytest.mark.parametrize(
    ("layer", "variant", "scratch"),
    [
        (conv2d((8, 8, 6), 4, 1), "arm_convolve_1x1_s8_fast", 0),
        (conv2d((8, 8, 6), 4, 1, strides=2), "arm_convolve_1x1_s8", 0),
        (conv2d((8, 8, 6), 4, 3), "arm_convolve_s8", 4 * 6 * 9),
        (conv2d((1, 8, 6), 4, (1, 3)), "arm_convolve_1_x_n_s8", 4 * 6 * 3),
        (conv2d((1, 9, 6), 4, (1, 3)), "arm_convolve_s8", 4 * 6 * 3),
        (depthwise_conv2d((8, 8, 6), 3), "arm_depthwise_conv_3x3_s8", 0),
        (
            depthwise_conv2d((8, 8, 6), 3, padding=(2, 2, 2, 2)),
            "arm_depthwise_conv_s8_opt",
            2 * 6 * 9,
        ),
        (
            depthwise_conv2d((8, 8, 6), 3, padding=(1, 1, 1, 2)),
            "arm_depthwise_conv_s8_opt",
            2 * 6 * 9,
        ),
        (depthwise_conv2d((8, 8, 6), 3, padding=(1, 1, 2, 1)), "arm_depthwise_conv_3x3_s8", 0),
        (depthwise_conv2d((8, 8, 6), 5), "arm_depthwise_conv_s8_opt", 2 * 6 * 25),
        (depthwise_conv2d((8, 8, 6), 3, depth_multiplier=2), "arm_depthwise_conv_s8", 0),
        (average_pool2d((8, 8, 6)), "arm_avgpool_s8", 24),
        (max_pool2d((8, 8, 6)), "arm_max_pool_s8", 0),
        (dense((8,), 6), "arm_fully_connected_s8", 0),
    ],
)
def test_kernels_are_chosen_as_cmsis_nn_does(layer: Layer, variant: str, scratch: int) -> None:
    assert kernel_variant(layer) == variant
    assert scratch_bytes(layer) == scratch
