"""Plans against docs/plan-format.md, read back field by field."""

from __future__ import annotations

import itertools
import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from flat_models import random_model
from hypothesis import given
from hypothesis import strategies as st
from networks import networks, resnet20
from operator_networks import operator_networks
from oracle import read_model

from hwnas.errors import PlanError
from hwnas.kernels import IN_PLACE, scratch_bytes
from hwnas.network import (
    Activation,
    DType,
    Layer,
    Network,
    NetworkBuilder,
    Operator,
    add,
    conv2d,
    dense,
    depthwise_conv2d,
    max_pool2d,
    relu,
    relu6,
    reshape,
    softmax,
)
from hwnas.plan import (
    ExecutionPlan,
    LayerParameters,
    NetworkParameters,
    PoolLayout,
    TensorQuantization,
    compile_layers,
    compile_plan,
    layer_parameters,
    quantize_multiplier,
)

NONE = 0xFFFF
POOL = PoolLayout.for_region(1 << 20)
CODES = {
    Operator.CONV2D: 1,
    Operator.DEPTHWISE_CONV2D: 2,
    Operator.DENSE: 3,
    Operator.MAX_POOL2D: 4,
    Operator.AVERAGE_POOL2D: 5,
    Operator.GLOBAL_AVERAGE_POOL2D: 6,
    Operator.SOFTMAX: 7,
    Operator.RELU: 8,
    Operator.RELU6: 8,
    Operator.ADD: 9,
    Operator.SUB: 10,
    Operator.MUL: 11,
    Operator.CONCATENATION: 12,
    Operator.PAD: 13,
    Operator.GLOBAL_MAX_POOL2D: 14,
    Operator.LOGISTIC: 15,
    Operator.TANH: 16,
    Operator.HARD_SWISH: 17,
    Operator.LEAKY_RELU: 18,
    Operator.QUANTIZE: 19,
    Operator.DEQUANTIZE: 20,
    Operator.REQUANTIZE: 21,
}
CONCATENATION = 12
IN_PLACE_CODES = {CODES[operator] for operator in IN_PLACE}
DTYPES = {DType.INT8: 0, DType.FLOAT32: 2}


@dataclass(frozen=True)
class Tensor:
    region: int
    dtype: int
    shape: tuple[int, int, int]
    offset: int
    bytes: int
    zero_point: int

    @property
    def span(self) -> range:
        return range(self.offset, self.offset + self.bytes)


@dataclass(frozen=True)
class Step:
    operator: int
    named_inputs: tuple[int, int]
    output: int
    weights: int
    bias: int
    multipliers: int
    shifts: int
    window: tuple[int, ...]
    scratch: range
    bounds: tuple[int, int]
    p: tuple[int, ...]

    @property
    def inputs(self) -> tuple[int, ...]:
        """All tensors that are read beside the parameters."""
        if self.operator != CONCATENATION:
            return tuple(index for index in self.named_inputs if index != NONE)
        further = self.p[0] - 2
        assert not any(self.p[2 + further :])
        return (*self.named_inputs, *self.p[2 : 2 + further])


@dataclass(frozen=True)
class Parsed:
    header: dict[str, int]
    tensors: list[Tensor]
    steps: list[Step]


def parse(data: bytes) -> Parsed:
    def at(offset: int, code: str) -> tuple[int, ...]:
        return struct.unpack_from("<" + code, data, offset)

    names = "magic version header_bytes plan_bytes crc32 arena_bytes tensor_count step_count"
    names += " input_tensor output_tensor kernel_set parameters reserved parameter_bytes"
    header = dict(zip(names.split(), at(0, "IHHIIIHHHHBBHI"), strict=True))
    assert at(36, "3I") == (0, 0, 0) and header["reserved"] == 0
    tensors = []
    for start in range(48, 48 + 24 * header["tensor_count"], 24):
        assert at(start + 6, "H") == (0,)
        (channels, offset, size), (zero_point,) = at(start + 8, "III"), at(start + 20, "i")
        shape = (*at(start + 2, "HH"), channels)
        tensors.append(Tensor(*at(start, "BB"), shape, offset, size, zero_point))  # type: ignore[arg-type]
    steps = []
    for start in range(48 + 24 * header["tensor_count"], header["plan_bytes"], 96):
        assert at(start + 1, "B") == (0,)
        (operator,), tensor = at(start, "B"), at(start + 2, "7H")
        scratch, size = at(start + 36, "II")
        steps.append(
            Step(
                operator,
                tensor[:2],
                *tensor[2:],
                window=at(start + 16, "10H"),
                scratch=range(scratch, scratch + size),
                bounds=at(start + 44, "ii"),
                p=at(start + 52, "11i"),
            )
        )
    return Parsed(header, tensors, steps)


def disjoint(a: range, b: range) -> bool:
    return a.stop <= b.start or b.stop <= a.start


def check_consistent(plan: ExecutionPlan) -> Parsed:
    """All that the firmware checks, and that nothing overlaps what it must not."""
    parsed = parse(plan.data)
    header = parsed.header
    assert plan.data[:4] == b"HWNP"
    assert (header["version"], header["header_bytes"]) == (1, 48)
    assert header["plan_bytes"] == len(plan.data)
    assert header["crc32"] == zlib.crc32(plan.data[48:])
    assert header["arena_bytes"] == plan.arena_bytes and plan.arena_bytes % 16 == 0
    assert header["parameter_bytes"] == plan.parameter_bytes
    assert len(plan.step_nodes) == header["step_count"] == len(parsed.steps)
    for tensor in parsed.tensors:
        element = (1, 4, 4)[tensor.dtype]
        assert tensor.bytes == math.prod(tensor.shape) * element
        assert tensor.offset % (16, 32)[tensor.region] == 0
        assert tensor.span.stop <= (plan.arena_bytes, plan.parameter_bytes)[tensor.region]
        assert -128 <= tensor.zero_point <= 127
    for step in parsed.steps:
        output = parsed.tensors[step.output]
        assert output.region == 0
        assert step.scratch.start % 16 == 0 and step.scratch.stop <= plan.arena_bytes
        assert disjoint(output.span, step.scratch)
        for index in step.inputs:
            tensor = parsed.tensors[index]
            if tensor.region == 0:
                whole = IN_PLACE_CODES.intersection([step.operator]) and output.span == tensor.span
                assert whole or disjoint(output.span, tensor.span)
                assert disjoint(step.scratch, tensor.span)
        assert -128 <= step.bounds[0] <= step.bounds[1] <= 127
    return parsed


def check_steps(network: Network, plan: ExecutionPlan, parsed: Parsed) -> None:
    steps = zip(plan.step_nodes, parsed.steps, strict=True)
    for i, step in steps:
        node, layer = network.nodes[i], network.nodes[i].layer
        assert step.operator == CODES[layer.operator]
        operands, values = step.inputs[len(node.inputs) :], step.inputs[: len(node.inputs)]
        if layer.operand_first:
            operands, values = step.inputs[:1], step.inputs[1:]
        assert values == node.inputs
        check_operand(layer, [parsed.tensors[i] for i in operands])
        if layer.operator is Operator.CONCATENATION:
            assert step.p[:2] == (len(node.inputs), -1 - layer.axis)
        assert step.output == i + 1
        assert step.window == (
            *layer.kernel_size, *layer.strides, *layer.padding[:2], *layer.dilation,
            layer.depth_multiplier, layer.groups,
        )  # fmt: skip
        assert len(step.scratch) == scratch_bytes(layer)
        channels = layer.output_shape[-1]
        convolution = layer.operator in (Operator.CONV2D, Operator.DEPTHWISE_CONV2D)
        for index, wanted, dtype in (
            (step.weights, convolution or layer.operator is Operator.DENSE, 0),
            (step.bias, layer.use_bias, 1),
            (step.multipliers, convolution, 1),
            (step.shifts, convolution, 1),
        ):
            assert (index != NONE) is wanted
            if wanted:
                tensor = parsed.tensors[index]
                assert tensor.dtype == dtype
                assert dtype == 0 or tensor.shape == (1, 1, channels)
    skipped = [i for i, node in enumerate(network.nodes) if node.layer.is_free]
    assert sorted([*plan.step_nodes, *skipped]) == list(range(len(network.nodes)))
    for value in range(len(network.nodes) + 1):
        shape = (1, 1, *network.shape_of(value))[-3:]
        assert parsed.tensors[value].shape == shape
        assert parsed.tensors[value].dtype == DTYPES[network.dtype_of(value)]


def check_operand(layer: Layer, found: list[Tensor]) -> None:
    """A constant operand is the one input that is no value of the network."""
    assert [tensor.shape for tensor in found] == (
        [(1, 1, math.prod(layer.operand))] if layer.operand else []
    )
    assert all(tensor.dtype == 0 for tensor in found)


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


@given(networks() | operator_networks(), st.integers(0, 99))
def test_attached_parameters_arrive_where_the_plan_says(network: Network, seed: int) -> None:
    model = read_model(random_model(network, seed))
    assert model.network == network
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
