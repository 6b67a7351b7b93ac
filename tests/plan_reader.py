"""Reads plans by docs/plan-format.md, and holds them against their networks."""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass

from hwnas.kernels import IN_PLACE, scratch_bytes
from hwnas.network import DType, Layer, Network, Operator
from hwnas.plan import ExecutionPlan, PoolLayout

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
